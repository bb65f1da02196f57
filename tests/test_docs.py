"""Readers can type what the documents say, and their links lead somewhere."""

import copy
import importlib.util
import json
import re
import shlex
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from textwrap import dedent

import matplotlib.pyplot as plt
import pytest
import torch

from harness import competition, models, submission
from harness.arguments import parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "BENCHMARKS.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
TEXTS = {page.name: page.read_text() for page in PAGES}
# Commands stand in a line of their own, or between backticks.
COMMAND = re.compile(r"(?:^ {4}|`)((?:make|python -m|harness) [^`\n#]+)", re.MULTILINE)
COMMANDS = sorted({m.strip() for text in TEXTS.values() for m in COMMAND.findall(text)})
TOMLS = [
    block
    for text in TEXTS.values()
    for block in re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)
    if "[splits]" in block
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_typed(command):
    words = shlex.split(command)
    if words[0] == "make":
        done = subprocess.run(
            ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    elif words[0] != "harness" and words[2].startswith("tests."):
        assert importlib.util.find_spec(words[2].removesuffix(".NAME"))
    else:
        words = words[1:] if words[0] == "harness" else words[3:]
        try:
            parser().parse_args(words)
        except SystemExit as end:
            assert end.code == 0


def test_commands_and_competitions_were_found():
    assert {"make evaluate", "make test"} <= set(COMMANDS)
    assert len(TOMLS) >= 2


def test_the_lock_pins_every_dependency_and_names_no_host():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))
    asked = {re.match(r"[a-z0-9._-]+", name)[0] for name in named} - {project["name"]}
    assert asked <= pinned
    assert lock.count("--hash=sha256:") > len(pinned)
    assert "://" not in lock


def test_the_submission_in_the_readme_is_one(tmp_path):
    (block,) = re.findall(r"^    import torch\n(?:    .*\n|\n)+", TEXTS["README.md"], re.MULTILINE)
    path = tmp_path / "mine.py"
    path.write_text(dedent(block))
    submitted = submission.read(path)
    found = {}
    exec(submitted.source, found)
    torch.manual_seed(0)
    net = models.build("small_resnet", channels=1, classes=10, widths=[4])
    before = copy.deepcopy(net.state_dict())
    retain = [(torch.rand(8, 1, 8, 8), torch.arange(8))]
    assert found["unlearning"](net, retain, retain, retain) is None
    assert not torch.equal(net.state_dict()["conv1.weight"], before["conv1.weight"])


@pytest.mark.parametrize("block", TOMLS)
def test_a_competition_in_the_documents_is_one(tmp_path, block):
    path = tmp_path / "mine.toml"
    path.write_text(dedent(block).partition("make evaluate")[0])
    assert competition.load(str(path)).evaluation.runs > 0


@pytest.mark.parametrize("name", TEXTS)
def test_a_link_leads_somewhere(name):
    page = next(page for page in PAGES if page.name == name)
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXTS[name]):
        assert (page.parent / target).exists(), target


def test_the_notebook_draws_its_figure(trained, monkeypatch):
    """Its cells in order, on a smaller competition."""
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr(plt, "show", lambda: None)
    cells = json.loads((ROOT / "docs/spike.ipynb").read_text())["cells"]
    parameters, *rest = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    found: dict = {}
    exec(parameters, found)
    assert found["COMPETITION"] == "digits"
    assert (ROOT / "docs" / found["FOLDER"]).resolve() == ROOT
    found |= {"COMPETITION": "small.toml", "RUNS": 32, "FOLDER": str(trained)}
    for source in rest:
        exec(source, found)
    assert found["official"] > 0.5 > 0.1 > found["here"]
    (axis,) = found["figure"].axes
    assert f"2023 rule {found['official']:.3f}" in axis.get_title(loc="left")
    assert sum(bar.get_height() for bar in axis.patches) == 2 * 32
    plt.close(found["figure"])


def test_a_row_goes_to_any_tracker():
    (block,) = re.findall(
        r"^    from numbers import Real\n(?:    .*\n|\n)+", TEXTS["commands.md"], re.M
    )
    found: dict = {}
    exec(dedent(block).partition("for path in")[0], found)
    row = {"submission": "mine", "score": 0.5, "runs": 32, "draws": [0.4, 0.6], "message": None}
    texts: dict = {}
    numbers: dict = {}
    found["track"](row, texts.update, numbers.update)
    assert (texts, numbers) == ({"submission": "mine"}, {"score": 0.5, "runs": 32})
