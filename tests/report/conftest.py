"""Fixtures of the report's tests: a competition that was really evaluated, and its page."""

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOSTILE = "</pre><script>alert('mine')</script>\x1b[31m\u202e"
ODD = 'odd & "name" <i>é #1'  # cannot name a row that is scored, but its verdict is shown
NOISY = "noisy . é -1"
NOISE = f'''
"""Noise on the head: <b>spread</b> (Nobody et al. 2031).

Author: {HOSTILE[6:-6]}
Paper: nowhere, 2031
"""
import torch

def unlearning(net, retain, forget, val):
    print({HOSTILE!r})
    with torch.no_grad():
        net.fc.bias.add_(0.3 * torch.randn(10))
'''
SUBMISSIONS = {
    "plain": "def unlearning(net, retain, forget, val):\n    pass\n",
    NOISY: NOISE,
    ODD: NOISE,
    "broken": f"def unlearning(net, retain, forget, val):\n    raise ValueError({HOSTILE!r})\n",
}
VOID = {"meta", "img", "br", "wbr", "input"}


@pytest.fixture(scope="session")
def evaluated(trained, tmp_path_factory) -> Path:
    """A workspace of two submissions that were scored and one that failed."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    (folder / "submissions").mkdir()
    for name, source in SUBMISSIONS.items():
        (folder / f"submissions/{name}.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "evaluate", "--competition", "small.toml", "--runs=16"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("report.html\n"), done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def page(evaluated: Path) -> "Page":
    return Page(report(evaluated).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def noisy(evaluated: Path) -> "Page":
    """The page of one row."""
    return Page(row_page(evaluated, NOISY).read_text(encoding="utf-8"))


def report(folder: Path) -> Path:
    return folder / "results/small/report.html"


def row_page(folder: Path, name: str) -> Path:
    return folder / f"results/small/report/{name}-16.html"


class Page(HTMLParser):
    """The elements of a page, each with its attributes and its own text, in a tree that closes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[dict[str, str]] = []
        self._open: list[dict[str, str]] = []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open[-1]['tag']}"

    def all(self, tag: str) -> list[dict[str, str]]:
        return [element for element in self.elements if element["tag"] == tag]

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice: {attrs}"
        self.elements.append({"tag": tag, "text": ""} | {k: v or "" for k, v in attrs})

    def handle_endtag(self, tag):
        opened = self._open.pop()["tag"]
        assert tag == opened, f"</{tag}> closes <{opened}>, line {self.getpos()[0]}"

    def handle_data(self, data):
        if self._open:
            self._open[-1]["text"] += data
