"""Retrainings by the competition's recipe, in turn with a submission's runs, and never fatal."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.competition import OVER_LIMIT, Limits
from harness.reference import plain_loop
from harness.reference.training import as_plain
from harness.runs import Runs, perform
from harness.sandbox.host import Zygote
from harness.submission import Submission, Verdict
from harness.workers import Workers
from harness.yardstick import (
    fraction_low,
    in_turn,
    refuse_slow,
    retraining,
    retrainings,
    yardsticks,
)
from tests.small import small_competition

MINE = Submission("mine", Path("mine.py"), b"", "", ())
RUNS = 32  # of the small competition: two turns of 16, with two retrainings each for one worker


@pytest.fixture(scope="module")
def setting(trained):
    reference, observer = small_competition(trained)
    with Zygote(reference.inputs) as zygote:
        yield reference, zygote, observer


def with_training(reference, **changes):
    own = reference.competition
    training = replace(own.training, **changes)
    return replace(reference, competition=replace(own, training=training))


@pytest.mark.parametrize(("seconds", "epochs"), [(0.5, 3), (1.5, 2), (30.0, 1)])
def test_the_loop_trains_for_about_a_second_and_counts_for_a_whole_retraining(
    setting, seconds, epochs
):
    ((length, loop),) = yardsticks(replace(setting[0], retrain_seconds=seconds)).items()
    said: dict = {}
    exec(loop.source, said)
    assert said["RECIPE"]["epochs"] == length == epochs
    assert retraining(3, {length: np.array([1.0, 2.0])}) == pytest.approx([3 / epochs, 6 / epochs])


def test_on_a_gpu_a_longer_loop_tells_what_starting_takes(setting, monkeypatch):
    monkeypatch.setattr("harness.yardstick.device", lambda: torch.device("cuda"))
    assert list(yardsticks(replace(setting[0], retrain_seconds=0.5))) == [3]
    loops = yardsticks(replace(setting[0], retrain_seconds=30.0))
    assert list(loops) == [1, 3]
    assert len({loop.source for loop in loops.values()}) == 2
    # 2 seconds to start and 1 an epoch: 32 for 30 epochs, not 90.
    assert retraining(30, {1: np.array([3.0]), 3: np.array([5.0])}) == pytest.approx([32.0])
    # A short run that was held up says nothing of a whole one, except that it is no quicker.
    assert retraining(30, {1: np.array([6.0]), 3: np.array([5.0])}) == pytest.approx([5.0])
    assert retraining(30, {}).size == 0


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_it_trains_by_the_recipe(setting, optimizer, monkeypatch):
    changed = {"optimizer": optimizer, "class_weighted": True, "bfloat16": True}
    reference = with_training(setting[0], **changed)
    labels = reference.data.retain["label"]
    used: dict = {}
    real = plain_loop.cross_entropy

    def loss(logits, targets, weight):
        used["weight"] = weight
        return real(logits, targets, weight)

    class Net(torch.nn.Linear):
        def forward(self, x):
            logits = super().forward(x.flatten(1))
            used["dtype"] = logits.dtype
            return logits

    name = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}[optimizer]

    class Stepper(getattr(torch.optim, name)):
        def __init__(self, parameters, **settings):
            used["settings"] = settings
            super().__init__(parameters, **settings)

    monkeypatch.setattr(torch.optim, name, Stepper)
    monkeypatch.setattr(plain_loop, "cross_entropy", loss)
    recipe = as_plain(reference.competition.training, torch.from_numpy(labels), epochs=1)
    batch = (torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.long))
    plain_loop.train(Net(64, 10), [batch], **recipe)
    momentum = {"momentum": 0.9} if optimizer == "sgd" else {}
    assert used["settings"] == {"lr": 1e-2, "weight_decay": 1e-2} | momentum
    assert used["dtype"] == torch.bfloat16
    counts = np.bincount(labels)
    np.testing.assert_allclose(used["weight"], len(labels) / (10 * counts), rtol=1e-6)


@pytest.fixture
def order(monkeypatch) -> list[tuple[str, int, Runs]]:
    """What was asked for: whose runs, how many, and what came of it."""
    asked = []

    def noted(submission, zygote, observer, limits, count, *args, **kwargs) -> Runs:
        made = perform(submission, zygote, observer, limits, count, *args, **kwargs)
        asked.append((submission.name, count, made))
        return made

    monkeypatch.setattr("harness.yardstick.perform", noted)
    return asked


def test_runs_and_retrainings_take_turns_and_are_done_once(setting, tmp_path, order):
    reference, zygote, observer = setting
    ((epochs, loop),) = yardsticks(reference).items()
    submission = replace(loop, name="mine")  # as good a submission as any
    place = zygote, observer, Workers(1), tmp_path, b"k"

    runs, seconds = in_turn(submission, reference, *place, progress=False)
    expected = [("mine", 16), ("retraining", 2), ("mine", 32), ("retraining", 2)]
    assert [asked[:2] for asked in order] == expected
    assert len(runs.seconds) == RUNS
    beside = [made for name, _, made in order if name == "retraining"]
    factor = reference.competition.training.epochs / epochs
    spent = [s for made in beside for s in made.seconds]
    assert seconds.tolist() == pytest.approx([factor * s for s in spent])
    assert len(seconds) == 4
    assert retrainings(tmp_path, RUNS).tolist() == seconds.tolist()
    # They have really trained: they differ from the original, and from each other.
    logits = [reference.original.forget_logits[0], *beside[0].pool.forget_logits]
    assert len({one.tobytes() for one in logits}) == 3
    again = in_turn(submission, reference, *place, progress=False)
    assert [asked[:2] for asked in order[4:]] == [("mine", 16), ("mine", 32)]
    assert again[1].tolist() == seconds.tolist()
    own = reference.competition
    fewer = replace(reference, competition=replace(own, evaluation=replace(own.evaluation, runs=8)))
    first_look = in_turn(submission, fewer, *place, progress=False)
    # What was measured beside more runs is enough.
    assert [asked[:2] for asked in order[6:]] == [("mine", 8)]
    assert first_look[1].tolist() == seconds.tolist()


@pytest.fixture
def tries(monkeypatch) -> list[Runs | Verdict]:
    """What came of each retraining; the submission itself is not run."""
    made: list[Runs | Verdict] = []

    def noted(submission, *args, **kwargs) -> Runs | None:
        if submission is MINE:
            return None
        try:
            made.append(perform(submission, *args, **kwargs))
        except Verdict as verdict:
            made.append(verdict)
            raise
        return made[-1]

    monkeypatch.setattr("harness.yardstick.perform", noted)
    return made


def test_a_longer_loop_that_breaks_the_limits_leaves_the_shorter_one(
    setting, tmp_path, monkeypatch, tries
):
    reference, zygote, observer = setting
    ((length, loop),) = yardsticks(reference).items()
    broken = replace(loop, source=b"def unlearning(*_): raise MemoryError")
    monkeypatch.setattr("harness.yardstick.yardsticks", lambda _: {length: loop, 9: broken})
    _, seconds = in_turn(MINE, reference, zygote, observer, Workers(1), tmp_path, b"k")
    measured = [runs for runs in tries if isinstance(runs, Runs)]
    assert len(tries) == 2 * len(measured) == 4
    epochs = reference.competition.training.epochs
    spent = np.concatenate([runs.seconds for runs in measured])
    np.testing.assert_allclose(seconds, spent * epochs / length)


def test_limits_too_tight_for_an_epoch_leave_it_unknown_and_are_tried_once(
    setting, tmp_path, tries
):
    reference, zygote, observer = setting
    own = reference.competition
    limits = replace(own.evaluation.limits, seconds=1e-3)
    evaluation = replace(own.evaluation, limits=limits)
    tight = replace(reference, competition=replace(own, evaluation=evaluation))
    _, seconds = in_turn(MINE, tight, zygote, observer, Workers(1), tmp_path, b"k")
    assert seconds.size == 0
    assert len(tries) == 1
    assert json.loads((tmp_path / "retrainings.json").read_text()) == {"16": []}


def test_where_nothing_was_measured_nothing_is_known(tmp_path):
    assert retrainings(tmp_path, RUNS).size == 0


def test_the_least_fraction_covers_the_true_one_as_often_as_it_says():
    rng = np.random.default_rng(0)
    low = [fraction_low(rng.normal(0.2, 0.02, 64), rng.normal(1.0, 0.1, 6)) for _ in range(2000)]
    assert np.mean(np.array(low) <= 0.2) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("over_limit", OVER_LIMIT)
def test_what_is_over_the_limit_is_refused_only_where_the_competition_says_so(over_limit):
    limits = Limits(over_limit=over_limit)
    for fraction in (None, 0.0, 0.2):
        refuse_slow(fraction, limits)
    if over_limit != "refuse":
        refuse_slow(0.31, limits)
        return
    with pytest.raises(Verdict, match="at least 31% of the time of retraining.* than 20%") as error:
        refuse_slow(0.31, limits)
    assert error.value.status == "timeout"


def test_the_least_fraction_is_the_fraction_where_nothing_varies():
    assert fraction_low(np.full(9, 0.3), np.full(4, 1.5)) == pytest.approx(0.2)
    assert fraction_low(np.full(9, 0.3), np.array([1.5])) is None
    assert fraction_low(np.full(9, 0.3), np.array([])) is None
    assert fraction_low(np.array([0.0, 9.0]), np.array([1.0, 9.0])) == 0
