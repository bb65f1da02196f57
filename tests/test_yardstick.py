"""A retraining's seconds: measured in the sandbox once for a folder of runs, and never fatal."""

import json
from dataclasses import replace
from functools import partial

import pytest

from harness.runs import Runs, perform
from harness.sandbox.host import Zygote
from harness.yardstick import RUNS, retraining_seconds, yardstick
from tests.small import small_competition


@pytest.fixture(scope="module")
def setting(trained):
    reference, observer = small_competition(trained)
    with Zygote(reference.inputs) as zygote:
        yield reference, partial(perform, zygote=zygote, observer=observer)


@pytest.mark.parametrize(("seconds", "epochs"), [(0.5, 3), (1.5, 2), (30.0, 1)])
def test_the_loop_trains_for_about_a_second_and_counts_for_a_whole_retraining(
    setting, seconds, epochs
):
    loop, factor = yardstick(replace(setting[0], retrain_seconds=seconds))
    assert loop.source.endswith(f"EPOCHS = {epochs}\n".encode())
    assert factor == 3 / epochs


def test_it_is_measured_once_by_real_runs_side_by_side(setting, tmp_path):
    reference, run = setting
    made: list[Runs] = []

    def counted(*args, **kwargs) -> Runs:
        made.append(run(*args, **kwargs))
        return made[-1]

    seconds = [retraining_seconds(counted, reference, 2, tmp_path) for _ in range(2)]
    assert len(made) == 1
    assert len(made[0].seconds) == 2 * RUNS
    assert seconds == [yardstick(reference)[1] * made[0].seconds.mean()] * 2
    assert json.loads((tmp_path / "retraining.json").read_text()) == seconds[0]
    # It has really trained: the runs differ from the original, and from each other.
    logits = [reference.original.forget_logits, *made[0].pool.forget_logits[:, None]]
    assert len({one.tobytes() for one in logits}) == 1 + 2 * RUNS


def test_limits_too_tight_for_an_epoch_leave_it_unknown(setting, tmp_path):
    reference, run = setting
    own = reference.competition
    limits = replace(own.evaluation.limits, seconds=1e-3)
    evaluation = replace(own.evaluation, limits=limits)
    tight = replace(reference, competition=replace(own, evaluation=evaluation))
    assert retraining_seconds(run, tight, 1, tmp_path) is None
    assert not (tmp_path / "retraining.json").exists()
