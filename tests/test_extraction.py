"""Notebooks and scripts: the submission is taken, not its driver; unclear files get a message."""

import json
import textwrap

import pytest

from harness.extraction import Unclear, from_notebook, from_script
from harness.notebook import place
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
    "settings['epochs'] = 1\ntorch.manual_seed(3)\nlayers = []\nlayers.append('fc')",
    "def get_dataset(batch_size):\n    raise FileNotFoundError('hidden')",
    "@torch.no_grad()\ndef helper(net):\n    return net.to(DEVICE)",
    "def unlearning(net, retain, forget, val):\n"
    "    for _ in range(settings['epochs']):\n        helper(net)\n    assert layers == ['fc']\n",
    DRIVER,
]


def notebook(cells: list[str]) -> bytes:
    code = [{"cell_type": "code", "source": c.splitlines(keepends=True)} for c in cells]
    text = [{"cell_type": "markdown", "source": ["# A title"]}]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": text + code}).encode()


def test_the_function_and_what_it_needs_are_taken():
    source = from_notebook(notebook(CHALLENGE)).decode()
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
    exec(from_notebook(notebook(cells)), scope)
    assert scope["unlearning"](0, 0, 0, 0) == 2


def test_of_an_earlier_version_nothing_is_taken():
    first = "import absent\ndef unlearning(net, retain, forget, val):\n    absent.do()"
    second = "import os\ndef unlearning(net, retain, forget, val):\n    os.getpid()"
    driver = "net = load()\nunlearning(net, retain, forget, val)"
    source = from_notebook(notebook([first, driver, second, driver])).decode()
    assert "absent" not in source and "os.getpid()" in source


@pytest.mark.parametrize(
    "between", ["unlearning = wraps(unlearning)(unlearning)", "unlearning.epochs = 3"]
)
def test_what_was_made_of_an_earlier_version_goes_with_it(between):
    version = "def unlearning(net, retain, forget, val):\n    return {}"
    cells = ["from functools import wraps", version.format(1), between, version.format(2)]
    scope: dict = {}
    exec(from_notebook(notebook(cells)), scope)
    assert scope["unlearning"](0, 0, 0, 0) == 2


def test_marked_cells_are_taken_as_they_are():
    cells = [
        "# Submission\nx = 1\nprint(x)",
        "# submission\ndef unlearning(a, b, c, d): ...",
        "y =",
    ]
    source = from_notebook(notebook(cells)).decode()
    assert "print(x)" in source
    assert "y =" not in source


def test_lines_of_jupyter_are_left_out_and_lines_of_python_are_not():
    cells = [
        "pip install tabulate\n%pip install \\\n    tqdm\n?len",
        "if True:\n    !pip install tabulate\nconda install tqdm",
        "rate = (7\n    % 4\n    != 3)",
        "def unlearning(a, b, c, d):\n    return rate",
    ]
    scope: dict = {}
    exec(from_notebook(notebook(cells)), scope)
    assert scope["unlearning"](0, 0, 0, 0) is False


def test_what_jupyter_times_is_executed_and_what_it_asks_a_shell_is_not():
    cells = [
        "files = !ls data\nhome = %env HOME\n%time rate = 7 % 4\nnames = %time ['fc']\nlen?",
        "%time !ls\nfiles, rest = !ls \\\n    data\n%time",
        'text = """\n%d = %s\nx = %s\n!important\n"""',
        "def unlearning(a, b, c, d):\n    return rate, names, text",
    ]
    source = from_notebook(notebook(cells)).decode()
    assert "ls" not in source and "HOME" not in source
    scope: dict = {}
    exec(source, scope)
    text = "\n%d = %s\nx = %s\n!important\n"
    assert scope["unlearning"](0, 0, 0, 0) == (3, ["fc"], text)


def test_a_method_that_needs_a_shell_is_taken_with_its_question():
    cells = ["files = !ls data", "def unlearning(a, b, c, d):\n    return files"]
    with pytest.raises(NameError, match="get_ipython"):
        exec(from_notebook(notebook(cells)), {})


TWICE = """
import torch
TEST{kind} = {value}
if TEST:
    def unlearning(net, retain, forget, validation):
        return accuracy(net, val)
if not TEST:
    def unlearning(net, retain, forget, val):
        return "submitted"
if TEST:
    retain, forget, val = get_cifar10()
    torch.save(unlearning(get_net(), retain, forget, val), "net.pth")
else:
    val = get_dataset(64)
    unlearning(get_net(), val, val, val)
"""


@pytest.mark.parametrize("kind", ["", ": bool"])
def test_of_definitions_for_two_cases_that_counts_which_a_constant_chooses(kind):
    text = TWICE.format(kind=kind, value=False)
    for source in (from_notebook(notebook([text])), from_script(text.encode())):
        scope: dict = {}
        exec(source, scope)
        assert scope["unlearning"](0, 0, 0, 0) == "submitted"


@pytest.mark.parametrize("value", [True, "False\nTEST = prepare()", "len('')"])
def test_a_case_that_needs_its_driver_is_unclear_and_the_reason_is_named(value):
    cells = notebook([TWICE.format(kind="", value=value)])
    with pytest.raises(Unclear, match=r"needs \(.*val\)") as caught:
        from_notebook(cells)
    assert "torch" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def unlearning(): ...", "not a Jupyter notebook of format 4"),
        (b'{"worksheets": []}', "not a Jupyter notebook of format 4"),
        (notebook(["x = 1"]), "no cell defines a function `unlearning`"),
        (notebook(["x = 1", "def unlearning(:"]), "cell 3, line 1"),
        (notebook(["pip install tqdm", "x = 1"]), "no cell defines a function `unlearning`"),
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
    with pytest.raises(Unclear, match=message):
        from_notebook(content)
    path = tmp_path / "mine.ipynb"
    path.write_bytes(content)
    with pytest.raises(Verdict) as caught:
        read(path)
    assert caught.value.status == "invalid_submission"


GUARD = "if DEVICE != 'cuda':\n    raise RuntimeError('add an accelerator')\n"
METHOD = (
    "from __future__ import annotations\nimport a_package_of_theirs\nimport torch\n"
    "DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'\n"
    f"{GUARD}\ndef unlearning(net, retain_loader, forget_loader, val_loader):\n"
    "    net.to(DEVICE)\n    1 / 0\n"
)


@pytest.mark.parametrize(
    "driver",
    [
        DRIVER,
        f"if __name__ == '__main__':\n{textwrap.indent(DRIVER, '    ')}",
        "for i in range(512):\n    unlearning(net, retain, forget, val)\n",
        "def main():\n    unlearning(get_net(), *get_dataset(64))\nmain()\n",
        "",  # the guard alone
    ],
)
def test_a_script_that_runs_by_itself_gives_what_unlearning_needs(driver):
    source = from_script((METHOD + driver).encode()).decode()
    for left in ("raise", "a_package_of_theirs", "range(512)", "main()"):
        assert left not in source
    scope: dict = {}
    exec(compile(source, "mine.py", "exec"), scope)
    with pytest.raises(ZeroDivisionError) as caught:
        scope["unlearning"](scope["torch"].nn.Linear(1, 1), None, None, None)
    line = METHOD.splitlines().index("    1 / 0") + 1
    assert caught.traceback[-1].lineno + 1 == line


def test_a_script_exported_from_a_notebook_is_left_its_lines():
    text = "get_ipython().run_line_magic('matplotlib', 'inline')\nrate = 1\n"
    text += "def unlearning(a, b, c, d):\n    return rate\n"
    scope: dict = {}
    exec(from_script(text.encode()), scope)
    assert scope["unlearning"](0, 0, 0, 0) == 1


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "torch.manual_seed(3)\n",
        "def main():\n    unlearning(1, 2, 3, 4)\n",
        "unlearning = torch.no_grad()(unlearning)\n",
        "try:\n    import tqdm\nexcept ImportError:\n    raise\n",
        "for rate in (1, 2):\n    unlearning(rate, 2, 3, 4)\n",  # unclear
        "x = None\ndef unlearning(a, b, c, d):\n    return x\n"  # prepare() binds it again
        "def prepare():\n    global x\n    x = 1\nprepare()\nunlearning(1, 2, 3, 4)\n",
        "def unlearning(a, b, c, d):\n    return x\n"  # nobody seems to bind x
        "def prepare():\n    global x\n    x = 1\nprepare()\nunlearning(1, 2, 3, 4)\n",
        "def broken(:\n",
        "\x00",
    ],
)
def test_any_other_script_is_taken_as_it_is(rest):
    text = "import torch\nrate = 1\ndef unlearning(a, b, c, d):\n    return rate\n" + rest
    assert from_script(text.encode()) == text.encode()


def test_lines_are_counted_as_python_counts_them():
    text = "x = '\u2028\x0c'\r\ndef unlearning(a, b, c, d):\r\n    return x\r\n"
    text += "unlearning(1, 2, 3, 4)\r\n"
    scope: dict = {}
    exec(from_script(text.encode()), scope)
    assert scope["unlearning"](0, 0, 0, 0) == "\u2028\x0c"


STRANGE = ["-" * 100_000 + "1", "a" + ".b" * 50_000, 'x = "\ud800"', "(" * 5_000]


@pytest.mark.parametrize("cell", STRANGE)
def test_a_cell_that_python_cannot_read_costs_nobody_else_anything(cell):
    mine = "def unlearning(net, retain, forget, val): pass"
    with pytest.raises(Unclear, match="begin with the line"):
        from_notebook(notebook([mine, cell]))
    assert b"def unlearning" in from_notebook(notebook([f"# submission\n{mine}", cell]))


@pytest.mark.parametrize("start", [" ", "a ", "a."])
def test_a_long_line_is_read_in_time_that_grows_with_it(start):
    """With a pattern that goes back over its spaces, the first takes a quarter of an hour."""
    line = start * (1_000_000 // len(start)) + "(!"
    with pytest.raises(Unclear):
        from_notebook(notebook(["def unlearning(net, retain, forget, val): pass", line]))


def test_strings_keep_what_looks_like_a_line_of_jupyter():
    text = 'TEXT = """\nlr = %f\nwhy?\n"""'
    cells = [f"%matplotlib inline\n{text}", "def unlearning(a, b, c, d): return TEXT"]
    scope: dict = {}
    exec(from_notebook(notebook(cells)), scope)
    assert scope["unlearning"](0, 0, 0, 0) == "\nlr = %f\nwhy?\n"


DEAD = """
import torch
VERBOSE, MODE = 0, 1
DEBUG = False
def unlearning(net, retain, forget, val):
    if DEBUG and net:
        report(net)
    if not DEBUG:
        return "run"
    else:
        return train_loader
def report(net):
    return val_loader
for i in range(512):
    train_loader, val_loader = open_data()
    unlearning(start(), train_loader, train_loader, val_loader)
"""


def test_a_branch_that_a_constant_switches_off_needs_nothing():
    for source in (from_notebook(notebook([DEAD])), from_script(DEAD.encode())):
        scope: dict = {}
        exec(source, scope)
        assert scope["unlearning"](0, 0, 0, 0) == "run"
        assert b"open_data" not in source


def test_a_name_of_the_functions_own_is_not_that_constant():
    text = DEAD.replace("forget, val):", "forget, DEBUG):")
    with pytest.raises(Unclear, match="binds a name that it needs"):
        from_notebook(notebook([text]))


SETS = """
import torch
settings = {}
def unlearning(net, retain, forget, val):
    return torch.backends.cudnn.benchmark, settings
def main():
    %s
    for i in range(512):
        unlearning(start(), *loaders())
main()
"""


def test_a_driver_that_sets_an_attribute_of_a_module_is_left_out():
    text = SETS % "torch.backends.cudnn.benchmark = True"
    for source in (from_notebook(notebook([text])), from_script(text.encode())):
        assert b"main" not in source and b"settings = {}" in source


def test_a_driver_that_sets_what_unlearning_uses_is_unclear():
    with pytest.raises(Unclear, match=r"needs \(settings\)"):
        from_notebook(notebook([SETS % "settings['epochs'] = 3"]))


def test_lines_of_a_notebook_stay_where_they_are_in_their_cells():
    source = from_notebook(notebook(CHALLENGE)).decode().split("\n")
    at = source.index("# cell 4 of the notebook")
    assert source[at + 1] == "DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'"
    at = source.index("# cell 7 of the notebook")
    assert source[at + 1 : at + 3] == ["@torch.no_grad()", "def helper(net):"]
    assert place(source, at + 3) == "cell 7, line 2"
    assert place(["a", "b"], 2) == "line 2"
