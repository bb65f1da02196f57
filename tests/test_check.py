"""`make check` says after two runs what an evaluation would find."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import harness.check as check_module
from harness.__main__ import main
from harness.competition import Limits
from harness.yardstick import yardsticks

NOISE = """
import torch

def unlearning(net, retain, forget, val):
    print("hello")
    with torch.no_grad():
        net.fc.bias.add_(0.1 * torch.randn(10))
"""


@pytest.fixture(scope="module")
def workspace(trained, tmp_path_factory):
    return shutil.copytree(trained, tmp_path_factory.mktemp("check"), dirs_exist_ok=True)


@pytest.fixture
def check(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)

    def check(source: str) -> tuple[int, str]:
        (workspace / "mine.py").write_text(source)
        code = main(["check", "--competition", "small.toml", "mine.py"])
        return code, capsys.readouterr().out

    return check


def test_a_sound_file_is_accepted_with_its_figures(check):
    code, said = check(NOISE)
    assert code == 0
    assert "mine.py would be accepted" in said
    assert "two seeds give different weights" in said
    assert "32 runs take about 0.0 min here, within the limit of 60 min" in said
    assert "of a retraining, within 20%" in said
    assert "forget accuracy: " in said
    assert "printed:\n  | hello" in said


def test_the_time_of_all_runs_is_shared_by_the_cores(monkeypatch):
    monkeypatch.setattr(check_module, "cpu_count", lambda: 4)
    limits = Limits(total_seconds=240, retrain_fraction=0.2)
    assert list(check_module._time(1.5, np.array([8.0, 12.0]), 512, limits)) == [
        "time: 1.50 s per run; 512 runs take about 3.2 min here, within the limit of 4 min",
        "time: 15% of a retraining, within 20%",
    ]
    assert list(check_module._time(3.0, np.array([10.0]), 512, limits)) == [
        "time: 3.00 s per run; 512 runs take about 6.4 min here, WARNING, above the limit of 4 min",
        "time: 30% of a retraining, WARNING, flagged above 20%",
    ]


def test_a_fixed_seed_is_warned_of(check):
    code, said = check(NOISE.replace("with", "torch.manual_seed(1)\n    with"))
    assert code == 0
    assert "WARNING, two seeds gave the same weights" in said


def test_what_takes_as_long_as_retraining_is_warned_of(check):
    code, said = check("import time\n" + NOISE + "    time.sleep(2)\n")
    assert code == 0
    assert "of a retraining, WARNING, flagged above 20%" in said


def test_a_retraining_that_breaks_the_limits_is_not_the_files_fault(check, monkeypatch):
    def breaking(reference):
        source = b"def unlearning(*_): raise MemoryError"
        return {n: replace(loop, source=source) for n, loop in yardsticks(reference).items()}

    monkeypatch.setattr("harness.check.yardsticks", breaking)
    code, said = check(NOISE)
    assert code == 0
    assert "would be accepted" in said
    assert "of a retraining" not in said


def test_a_verdict_is_that_of_an_evaluation(check):
    code, said = check("def unlearning(net, retain, forget, val): return 'done'")
    assert code == 1
    assert "invalid_submission\n  | `unlearning` returned an object of type str" in said
    assert "would be accepted" not in said
