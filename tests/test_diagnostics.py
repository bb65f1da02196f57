"""Every flag: a submission that raises it, and one that comes close and does not."""

from dataclasses import replace

import numpy as np
import pytest

from harness.diagnostics import flags
from harness.epsilon import calibration
from harness.pool import Pool

N, F, CLASSES = 100, 40, 4
LABELS = np.arange(F) % CLASSES
RNG = np.random.default_rng(0)


def pool(logits, forget=0.8):
    ones = np.ones(len(logits))
    losses = np.zeros((len(logits), 20), np.float32)
    summary = calibration(logits)
    return Pool(logits.astype(np.float32), losses, ones, forget * ones, ones, ones, *summary)


def logits(n=N):
    return 3 * RNG.normal(size=(F, CLASSES)) + RNG.normal(size=(n, F, CLASSES))


RETRAINED = pool(logits())
HONEST = pool(logits())


def raised(unlearned=HONEST, score=0.5, neurips2023_score=0.1, utility=0.95, **more):
    found = flags(unlearned, RETRAINED, LABELS, score, neurips2023_score, utility, **more)
    for flag in found:
        assert flag.explanation.endswith(".")
        assert flag.explanation.count(". ") == 0
    return [flag.name for flag in found]


def test_an_honest_submission_raises_none():
    assert raised() == []


def same_runs(repeated, jitter=0.0):
    changed = HONEST.forget_logits.copy()
    changed[:repeated] = changed[0] + jitter * RNG.normal(size=(repeated, F, CLASSES))
    return pool(changed)


@pytest.mark.parametrize(
    ("unlearned", "expected"),
    [
        (same_runs(N), True),
        (same_runs(20), True),
        (same_runs(N, jitter=1e-3), True),
        (same_runs(N, jitter=0.3), False),
        (same_runs(2), False),
    ],
)
def test_identical_runs(unlearned, expected):
    assert ("identical_runs" in raised(unlearned)) == expected


def scaled(factors):
    return pool(HONEST.forget_logits * np.asarray(factors)[:, None, None])


@pytest.mark.parametrize(
    ("unlearned", "expected"),
    [
        (scaled(np.where(np.arange(N) == 7, 10, 1)), True),
        (scaled(np.where(np.arange(N) % 2, 3, 1)), True),
        (scaled(np.full(N, 5)), False),
        (scaled(np.exp(RNG.normal(0, 0.3, N))), False),
    ],
)
def test_spike_or_mixture(unlearned, expected):
    assert ("spike_or_mixture" in raised(unlearned)) == expected


def test_spike_on_identical_runs():
    spike = same_runs(N).forget_logits
    spike[0] *= 10
    assert raised(pool(spike)) == ["identical_runs", "spike_or_mixture"]


@pytest.mark.parametrize(
    ("score", "official", "expected"),
    [(0.001, 1.0, True), (0.05, 0.2, True), (0.95, 0.19, False), (0.001, 0.003, False)],
)
def test_official_high_score_low(score, official, expected):
    found = raised(score=score, neurips2023_score=official)
    assert ("official_high_score_low" in found) == expected


@pytest.mark.parametrize(
    ("utility", "floor", "expected"), [(0.4, 0.5, True), (0.6, 0.5, False), (0.6, 0.7, True)]
)
def test_utility_below_floor(utility, floor, expected):
    found = raised(utility=utility, utility_floor=floor)
    assert ("utility_below_floor" in found) == expected


@pytest.mark.parametrize(("forget", "expected"), [(0.5, True), (0.75, False), (1.0, False)])
def test_over_forgetting(forget, expected):
    unlearned = replace(HONEST, forget_accuracy=np.full(N, forget))
    assert ("over_forgetting" in raised(unlearned)) == expected


@pytest.mark.parametrize(
    ("fraction", "limit", "expected"),
    [(0.25, 0.2, True), (0.15, 0.2, False), (0.15, 0.1, True), (None, 0.2, False)],
)
def test_slow(fraction, limit, expected):
    assert ("slow" in raised(retrain_fraction=fraction, retrain_limit=limit)) == expected


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_logits_that_are_not_finite(value):
    broken = HONEST.forget_logits.copy()
    broken[3, 2, 1] = value
    with pytest.raises(ValueError, match=r"unlearned, shape \[100, 40, 4\]: 1 values are NaN"):
        raised(pool(broken))
