"""A look at a few retrained models says whether there is anything to forget."""

import numpy as np
import pytest

from harness import competition, data
from harness.pool import Pool
from harness.reference import preview
from harness.reference.cost import Estimate


def pool(margins: np.ndarray, accuracy: float) -> Pool:
    """Models that give class 0 these margins [N, F] over class 1."""
    models = len(margins)
    logits = np.stack([margins, np.zeros_like(margins)], axis=-1).astype(np.float32)
    same = np.full(models, 0.8)
    return Pool(
        forget_logits=logits,
        test_losses=np.zeros((models, 0), np.float32),
        retain_accuracy=same,
        forget_accuracy=np.full(models, accuracy),
        validation_accuracy=same,
        test_accuracy=same,
        class_means=np.zeros((models, 2)),
        logit_scale=np.ones(models),
    )


@pytest.mark.parametrize(("above", "warns"), [(9, False), (2, True)])
def test_the_share_of_examples_that_the_original_knows_best(above, warns):
    """Of 20: chance gives 1/17, and two standard errors above that are 16 %."""
    retrained = np.tile(np.linspace(-1, 1, 16)[:, None], 20)
    original = np.where(np.arange(20) < above, 1.5, 0.5)[None]
    labels = np.zeros(20, np.int64)
    lines = list(preview.compared(pool(original, 1.0), pool(retrained, 0.5), labels))
    assert lines[0] == (
        "accuracy of the original and of 16 retrained models: 100.0% and 50.0% on the forget set, "
        "80.0% and 80.0% on the test set"
    )
    assert lines[1].startswith(f"memorised: on {above / 20:.0%} of the forget set the original is")
    assert lines[1].endswith("chance would make it 6%")
    assert [line.startswith("WARNING: that is no more than chance") for line in lines[2:]] == (
        [True] * warns
    )


def test_a_look_that_would_take_long_is_left_to_the_host():
    settings = competition.load("digits")
    cost = Estimate(runs=512, models=1025, steps=1000, step_seconds=10.0, retrain_seconds=1e4)
    (line,) = preview.told(settings, data.load("digits", settings.splits), cost)
    assert line.startswith("whether the forget set is memorised, 16 retrained models would tell in")
