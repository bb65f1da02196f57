"""Every way in which a file can fail ends in the verdict, and the words, that help its author."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox.host import RunResult, Server, Zygote
from harness.submission import Verdict, read
from tests.sandbox.small import LIMITS, several, submit, unread

CASES = {
    "raises": ("raise ValueError('boom')", "crashed", ["ValueError: boom", 'File "mine.py"']),
    "prints first": ("print('so far'); raise KeyError", "crashed", ["KeyError"]),
    "sys.exit": ("import sys; sys.exit(3)", "crashed", ["called sys.exit(3) instead"]),
    "os._exit": ("import os; os._exit(0)", "crashed", ["before `unlearning` returned"]),
    "os._exit(7)": ("import os; os._exit(7)", "crashed", ["exit status 7"]),
    "segfault": ("import ctypes; ctypes.string_at(0)", "crashed", ["SIGSEGV"]),
    "interrupts itself": ("raise KeyboardInterrupt", "crashed", ["KeyboardInterrupt"]),
    "endless": ("import time; time.sleep(1000)", "timeout", ["4 s"]),
    "heap": (
        "x = bytearray(4 << 30)",
        "out_of_memory",
        ["800 MiB", "peak", "MemoryError", 'File "mine.py"'],
    ),
    "tensors": ("import torch; x = torch.ones(1 << 30)", "out_of_memory", ["800 MiB", "peak"]),
    "disk": ("open('big', 'wb').write(bytes(17 << 20))", "crashed", ["scratch directory is full"]),
    "missing module": ("import notthere.deep", "invalid_submission", ["'notthere'", "install"]),
    "string": ("return 'done'", "invalid_submission", ["type str", "return the changed model"]),
    "state dict": ("return net.state_dict()", "invalid_submission", ["OrderedDict"]),
    "architecture": (
        "import torchvision; return torchvision.models.resnet18()",
        "invalid_weights",
        ["not known", "'layer1.1.bn1.", "more"],
    ),
    "missing keys": ("del net.fc.bias", "invalid_weights", ["'fc.bias' missing"]),
    "extra keys": (
        "import torch; net.extra = torch.nn.Linear(2, 2)",
        "invalid_weights",
        ["'extra.bias', 'extra.weight' not known"],
    ),
    "shapes": (
        "import torch; net.fc = torch.nn.Linear(8, 11)",
        "invalid_weights",
        ["fc.weight is (11, 8), not (10, 8)"],
    ),
    "nan": ("net.fc.weight.data[3] = float('nan')", "invalid_weights", ["NaN", "'fc.weight'"]),
    "infinite": ("net.bn1.running_var[0] = float('inf')", "invalid_weights", ["'bn1.running_var'"]),
    "pruned": (
        "from torch.nn.utils import prune; prune.random_unstructured(net.fc, 'weight', amount=0.5)",
        "invalid_weights",
        ["'fc.weight' missing", "'fc.weight_orig'", "prune.remove"],
    ),
    "wrapped": (
        "import torch; return torch.nn.DataParallel(net)",
        "invalid_weights",
        ["wrapped", "its `.module`"],
    ),
    "averaged": (
        "from torch.optim.swa_utils import AveragedModel; return AveragedModel(net)",
        "invalid_weights",
        ["AveragedModel", "its `.module`"],
    ),
    "spectral norm": (
        "import torch; torch.nn.utils.spectral_norm(net.fc)",
        "invalid_weights",
        ["'fc.weight_orig'", "remove_spectral_norm(module)"],
    ),
    "weight norm": (
        "import torch; torch.nn.utils.weight_norm(net.fc)",
        "invalid_weights",
        ["'fc.weight_g'", "remove_weight_norm(module)"],
    ),
    "parametrized": (
        "import torch; torch.nn.utils.parametrizations.weight_norm(net.fc)",
        "invalid_weights",
        ["remove_parametrizations(module"],
    ),
    "torchvision's labels": ("forget.dataset.targets", "crashed", ["[label for _, label in"]),
    "own machine": ("open('/home/me/w.pth')", "crashed", ["no other file", "'/home/me/w.pth'"]),
    "command line": (
        "import argparse; p = argparse.ArgumentParser(); p.add_argument('data'); p.parse_args()",
        "crashed",
        ["argparse ended it", "a default"],
    ),
    "newer function": ("import os; os.of_tomorrow()", "crashed", ["Python 3."]),
    "newer import": ("from os import of_tomorrow", "crashed", ["Python 3."]),
    "no tensors": (
        "import torch; return torch.nn.Identity()",
        "invalid_weights",
        ["'bn1.num_batches_tracked'", "33 more missing"],
    ),
    "sparse": (
        "import torch; net.fc.weight = torch.nn.Parameter(net.fc.weight.data.to_sparse())",
        "invalid_weights",
        ["'fc.weight'", "not a dense tensor"],
    ),
    "integers": (
        "import torch; net.bn1.num_batches_tracked = torch.tensor(1.5)",
        "invalid_weights",
        ["bn1.num_batches_tracked is F32, not I64"],
    ),
}


def function(body: str) -> str:
    return f"def unlearning(net, retain, forget, val):\n    {body}\n"


@pytest.fixture(scope="module")
def server(zygote: Zygote) -> Iterator[tuple[Server, dict[str, int]]]:
    submission, seeds = several({case: function(body) for case, (body, *_) in CASES.items()})
    with Server(submission, zygote, LIMITS) as warm:
        yield warm, seeds


@pytest.mark.parametrize("case", CASES)
def test_a_fault_inside_is_a_verdict_that_says_what_to_mend(
    server: tuple[Server, dict[str, int]], case: str
) -> None:
    warm, seeds = server
    _, status, phrases = CASES[case]
    with pytest.raises(Verdict) as caught:
        warm.run(seeds[case])
    assert caught.value.status == status, caught.value.message
    for phrase in phrases:
        assert phrase in caught.value.message
    if case == "prints first":
        assert caught.value.output == "so far\n"


def run_alone(folder: Path, zygote: Zygote, text: str) -> RunResult:
    with Server(submit(folder, text), zygote, LIMITS) as server:
        return server.run(0)


def test_a_traceback_is_the_participants_own_and_shows_their_lines(
    tmp_path: Path, zygote: Zygote
) -> None:
    text = """\
        def helper():
            return [][1]  # the culprit

        def unlearning(net, retain, forget, val):
            helper()
        """
    with pytest.raises(Verdict) as caught:
        run_alone(tmp_path, zygote, text)
    lines = caught.value.message.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "mine.py", line 5, in unlearning',
        "    helper()",
    ]
    assert '  File "mine.py", line 2, in helper' in lines
    assert "    return [][1]  # the culprit" in lines
    assert "guest" not in caught.value.message


def test_a_missing_import_at_the_top_is_named_with_its_line(tmp_path: Path, zygote: Zygote) -> None:
    with pytest.raises(Verdict) as caught:
        run_alone(tmp_path, zygote, "import notthere\n" + function("pass"))
    assert caught.value.status == "invalid_submission"
    assert "'notthere' is not installed" in caught.value.message
    assert '  File "mine.py", line 1, in <module>' in caught.value.message


def test_what_cannot_be_called_with_four_arguments_is_invalid(zygote: Zygote) -> None:
    submission = unread("unlearning = lambda net, retain: None")
    with Server(submission, zygote, LIMITS) as server, pytest.raises(Verdict) as caught:
        server.run(0)
    assert caught.value.status == "invalid_submission"
    assert "`unlearning(net, retain)` cannot be called as unlearning(net," in caught.value.message


def test_passages_through_libraries_are_one_line_each_and_name_no_path_here(
    tmp_path: Path, zygote: Zygote
) -> None:
    text = """\
        import torch
        from torch.nn.functional import cross_entropy
        from torch.utils.data import DataLoader

        def collate(examples):
            raise ValueError("mine")

        def unlearning(net, retain, forget, val):
            try:
                cross_entropy(torch.zeros(3, 2), torch.zeros(2).long())
            except ValueError:
                list(DataLoader(retain.dataset, 2, collate_fn=collate))
        """
    with pytest.raises(Verdict) as caught:
        run_alone(tmp_path, zygote, text)
    first, second = caught.value.message.split("During handling of the above exception")
    assert first.count("File") == 1 and first.count("  ... torch/nn/functional.py, line ") == 1
    assert "lines of libraries, the last in torch/utils/data/_utils/fetch.py, line " in second
    own = [line for line in second.splitlines() if line.startswith("  File")]
    assert own == [
        '  File "mine.py", line 12, in unlearning',
        '  File "mine.py", line 6, in collate',
    ]
    assert sys.prefix not in caught.value.message


def test_a_notebooks_error_has_its_cell_and_line(tmp_path: Path, zygote: Zygote) -> None:
    cells = ["%matplotlib inline\nimport torch", "print('seen')", "\ndef helper():\n    1 / 0\n"]
    cells.append("rate = 1\n" + function("helper()"))
    notebook = {"cells": [{"cell_type": "code", "source": text} for text in cells]}
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(notebook))
    with Server(read(path), zygote, LIMITS) as server, pytest.raises(Verdict) as caught:
        server.run(0)
    assert '  File "mine.ipynb", cell 4, line 3, in unlearning\n' in caught.value.message
    assert '  File "mine.ipynb", cell 3, line 3, in helper\n    1 / 0\n' in caught.value.message
