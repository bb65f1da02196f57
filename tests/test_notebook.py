"""Notebooks: the submission is taken, the driver is not, and what is unclear is said."""

import json

import pytest

from harness.notebook import NotebookError, extract
from harness.submission import Verdict, read

DRIVER = """
if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
    subprocess.run('touch submission.zip', shell=True)
else:
    retain, forget, val = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    for i in range(512):
        net.load_state_dict(torch.load('original_model.pth'))
        unlearning(net, retain, forget, val)
        torch.save(net.state_dict(), f'/kaggle/tmp/unlearned_{i}.pth')
"""
CHALLENGE = [
    "%matplotlib inline\n!pip install -q something\nimport os, subprocess\nimport torch\n"
    "from torchvision.models import resnet18",
    "%%bash\nnvidia-smi",
    "DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'\nsettings = {}\nprint(DEVICE)",
    "settings['epochs'] = 1\ntorch.manual_seed(3)",
    "def get_dataset(batch_size):\n    raise FileNotFoundError('hidden')",
    "@torch.no_grad()\ndef helper(net):\n    return net.to(DEVICE)",
    "def unlearning(net, retain, forget, val):\n"
    "    for _ in range(settings['epochs']):\n        helper(net)\n",
    DRIVER,
]


def notebook(cells: list[str]) -> bytes:
    code = [{"cell_type": "code", "source": c.splitlines(keepends=True)} for c in cells]
    text = [{"cell_type": "markdown", "source": ["# A title"]}]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": text + code}).encode()


def test_the_function_and_what_it_needs_are_taken():
    source = extract(notebook(CHALLENGE)).decode()
    for taken in ("import torch\n", "DEVICE = ", "settings['epochs'] = 1", "@torch.no_grad()"):
        assert taken in source
    for left in ("subprocess.run", "get_dataset", "manual_seed", "print(", "%", "nvidia"):
        assert left not in source
    scope: dict = {}
    exec(source, scope)
    scope["unlearning"](scope["torch"].nn.Linear(1, 1), None, None, None)


def test_a_notebook_is_read_as_a_file_is(tmp_path):
    path = tmp_path / "mine.ipynb"
    path.write_bytes(notebook(CHALLENGE))
    submission = read(path)
    assert submission.name == "mine"
    assert submission.imports == ("torch",)
    assert b"def unlearning" in submission.source


def test_the_last_definition_wins():
    cells = [f"def unlearning(a, b, c, d):\n    return {i}" for i in (1, 2)]
    scope: dict = {}
    exec(extract(notebook(cells)), scope)
    assert scope["unlearning"](0, 0, 0, 0) == 2


def test_marked_cells_are_taken_as_they_are():
    cells = [
        "# Submission\nx = 1\nprint(x)",
        "# submission\ndef unlearning(a, b, c, d): ...",
        "y =",
    ]
    source = extract(notebook(cells)).decode()
    assert "print(x)" in source
    assert "y =" not in source


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def unlearning(): ...", "not a Jupyter notebook of format 4"),
        (b'{"worksheets": []}', "not a Jupyter notebook of format 4"),
        (notebook(["x = 1"]), "no cell defines a function `unlearning`"),
        (notebook(["x = 1", "def unlearning(:"]), "cell 3, line 1"),
        (
            notebook(
                [
                    "def unlearning(a, b, c, d): return rate",
                    "for rate in (1, 2): unlearning(0, 0, 0, 0)",
                ]
            ),
            r"cell 3 calls `unlearning` and binds a name that it needs \(rate\)",
        ),
    ],
)
def test_what_cannot_be_told_is_said(tmp_path, content, message):
    with pytest.raises(NotebookError, match=message):
        extract(content)
    path = tmp_path / "mine.ipynb"
    path.write_bytes(content)
    with pytest.raises(Verdict) as caught:
        read(path)
    assert caught.value.status == "invalid_submission"
