"""`make check` says after a few runs what an evaluation would find, and what looks wrong."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn.functional import cross_entropy

from harness import leaderboard
from harness.__main__ import main
from harness.check import findings, standing
from harness.columns import Row
from harness.competition import Limits, load
from harness.models import build
from harness.reference.pools import prepare
from harness.sandbox.host import RunResult
from harness.store import key
from harness.submission import read
from harness.yardstick import yardsticks
from tests.small import small_competition

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

    def check(source: str, patience: float = 0.0) -> tuple[int, str]:
        monkeypatch.setattr("harness.check.PATIENCE", patience)
        (workspace / "mine.py").write_text(source)
        code = main(["check", "--competition", "small.toml", "mine.py"])
        return code, capsys.readouterr().out

    return check


def test_a_sound_file_is_accepted_with_its_figures(check):
    code, said = check(NOISE)
    assert code == 0
    assert said.endswith("mine.py: accepted\n")
    assert "two seeds give different weights" in said
    assert "32 runs take about 0.0 min here, within the limit of 60 min" in said
    assert "of a retraining, within 20%" in said
    assert "forget accuracy: " in said
    assert "printed: \n  | hello" in said
    assert "first look: not taken, as it would take about 0 min" in said


def test_the_time_of_all_runs_is_shared_by_the_cores(monkeypatch):
    monkeypatch.setattr(findings, "cpu_count", lambda: 4)
    limits = Limits(total_seconds=240, retrain_fraction=0.2)
    assert list(map(str, findings.time(1.5, np.array([8.0, 12.0]), 512, limits))) == [
        "time: 1.50 s per run; 512 runs take about 3.2 min here, within the limit of 4 min",
        "time: 15% of a retraining, within 20%",
    ]
    assert list(map(str, findings.time(3.0, np.array([10.0]), 512, limits))) == [
        "time: WARNING, 3.00 s per run; 512 runs take about 6.4 min here, above the limit of 4 min",
        "time: WARNING, 30% of a retraining, flagged above 20%",
    ]


def test_a_retraining_that_breaks_the_limits_is_not_the_files_fault(check, monkeypatch):
    def breaking(reference):
        source = b"def unlearning(*_): raise MemoryError"
        return {n: replace(loop, source=source) for n, loop in yardsticks(reference).items()}

    monkeypatch.setattr("harness.check.yardsticks", breaking)
    code, said = check(NOISE)
    assert code == 0
    assert "mine.py: accepted" in said
    assert "of a retraining" not in said


def test_a_verdict_is_that_of_an_evaluation(check):
    code, said = check("def unlearning(net, retain, forget, val): return 'done'")
    assert code == 1
    assert "  | `unlearning` returned an object of type str" in said
    assert said.endswith("mine.py: not accepted, invalid_submission\n")


def test_every_warning_of_a_file_counts(check):
    code, said = check(
        "import time\ndef main():\n    unlearning(0, 1, 2, 3, rate=rate())\n"
        + NOISE.replace("retain, forget, val", "forget, retain, val, rate=1")
        + "        torch.manual_seed(1); torch.nn.init.normal_(net.fc.weight)\n    net.half()\n"
        + "    time.sleep(2)\n"
    )
    assert code == 0
    for warning in (
        "argument_order: WARNING, `unlearning(net, forget, retain, val)` is called",
        "driver_settings: WARNING, The file's own driver passes rate=rate()",
        "weights: WARNING, they are in half precision",
        "of a retraining, flagged above 20%",
        "test accuracy: WARNING, 0.",
    ):
        assert warning in said
    many = sum(" WARNING, " in line for line in said.splitlines())
    assert said.endswith(f"mine.py: accepted, with {many} warnings\n") and many >= 5


@pytest.fixture(scope="module")
def reference(workspace):
    return small_competition(workspace)


def changed(reference, *seeds, train=""):
    """Runs that add noise to the last layer, or train on a split."""
    observed, _ = reference
    model = observed.competition.model
    original = load_file(observed.inputs / "original.safetensors")
    results = []
    for seed in seeds:
        torch.manual_seed(seed)
        net = build(model.architecture, **model.arguments)
        net.load_state_dict({name: torch.from_numpy(a) for name, a in original.items()})
        if not train:
            net.fc.bias.data += torch.randn(10)
        else:
            split = getattr(observed.data, train)
            images, labels = (torch.from_numpy(split[name]) for name in ("image", "label"))
            optimizer = torch.optim.Adam(net.parameters(), 1e-3)
            for _ in range(30):
                optimizer.zero_grad()
                cross_entropy(net(images), labels).backward()
                optimizer.step()
        weights = {name: values.detach().numpy() for name, values in net.state_dict().items()}
        results.append(RunResult(weights, "", 1.0, 1.0, "capped", "cpu"))
    return results


def warnings(found) -> list[str]:
    return [str(finding) for finding in found if finding.warns]


def test_weights_that_differ_from_seed_to_seed_need_no_warning(reference):
    assert not warnings(findings.weights(changed(reference, 1, 2), reference[0]))


def test_equal_seeds_are_warned_of(reference):
    (said,) = warnings(findings.weights(changed(reference, 1, 1), reference[0]))
    assert said.startswith("seeds: WARNING, two seeds gave the same weights")


def test_unchanged_weights_are_warned_of(reference):
    original = load_file(reference[0].inputs / "original.safetensors")
    results = [replace(result, weights=original) for result in changed(reference, 1, 2)]
    (said,) = warnings(findings.weights(results, reference[0]))
    assert said.startswith("weights: WARNING, they are the original's, unchanged. Did you return")


def test_statistics_that_change_alone_are_warned_of(reference):
    original = load_file(reference[0].inputs / "original.safetensors")
    results = [
        replace(result, weights=original | {"bn1.running_mean": original["bn1.running_mean"] + i})
        for i, result in enumerate(changed(reference, 1, 2))
    ]
    (said,) = warnings(findings.weights(results, reference[0]))
    assert said.startswith("weights: WARNING, only the running statistics of batch normalisation")


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_warned_of(reference, half):
    def rounded(values):
        tensor = torch.from_numpy(values)
        return tensor.to(half).float().numpy() if tensor.is_floating_point() else values

    results = [
        replace(result, weights={name: rounded(a) for name, a in result.weights.items()})
        for result in changed(reference, 1, 2)
    ]
    (said,) = warnings(findings.weights(results, reference[0]))
    assert said.startswith("weights: WARNING, they are in half precision")


def test_training_on_the_validation_images_is_warned_of_and_noise_is_not(reference):
    learned = changed(reference, 1, 2, train="validation")
    (said,) = warnings(findings.validation(learned, *reference))
    assert said.startswith("validation: WARNING, confidence in the labels changed by +")
    assert not warnings(findings.validation(changed(reference, 1, 2), *reference))


def test_val_is_read_where_its_name_is(tmp_path):
    for body, reads in (("return net", False), ("return [net, val][0]", True)):
        path = tmp_path / "mine.py"
        path.write_text(f"def unlearning(net, retain, forget, val):\n    {body}\n")
        assert read(path).reads_val is reads


def test_a_first_look_names_flags_and_the_rows_that_are_surely_better_and_worse(check, workspace):
    settings = load("small.toml")
    reference = prepare(settings, progress=False)
    rivals = {"good": (0.99, 0.98, 1.0), "bad": (1e-7, 1e-8, 1e-6), "itself": (1e-3, 1e-4, 1e-2)}
    for name, (score, low, high) in rivals.items():
        row = Row(
            submission=name,
            runs=32,
            status="scored",
            reference=key(
                reference.fingerprint, settings.evaluation.attackers, settings.evaluation.delta
            ),
        )
        row = replace(row, score=score, score_low=low, score_high=high)
        leaderboard.write_row(workspace / "results/small/submissions" / name, row)
    code, said = check(NOISE.replace("0.1", "30"), patience=60.0)
    assert code == 0
    assert "first look: 32 runs score " in said
    assert "stands below good (0.9900, 95 % interval 0.9800-1.0000) and above bad (0.0000, " in said
    assert "1 of the 3 known rows cannot be told from it yet" in said
    assert "flag over_forgetting: WARNING, " in said


def test_rows_are_told_apart_beyond_both_intervals():
    """Factors e^0.3 and e^0.4 make e^0.5 together."""

    def row(name: str, score: float, factor: float | None = None) -> Row:
        high = None if factor is None else score * factor
        return Row(submission=name, runs=32, status="scored", score=score, score_high=high)

    own = row("own", 1.0, 1.34986)
    near, far, line = row("near", 1.64, 1.49182), row("far", 1.66, 1.49182), row("line", 0.5)
    assert standing.apart(own, [near, far, line]) == ([far], [line])
