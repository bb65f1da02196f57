"""Every flag: a submission that raises it, and one that comes close and does not."""

from dataclasses import replace

import numpy as np
import pytest

from harness.diagnostics import _log_scales, _scale_gap, flags
from harness.epsilon import calibration, confidences
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
        (same_runs(6), True),
        (same_runs(5), False),
    ],
)
def test_identical_runs(unlearned, expected):
    assert ("identical_runs" in raised(unlearned)) == expected


@pytest.mark.parametrize(("apart", "expected"), [(0.009, True), (0.011, False)])
def test_runs_are_the_same_within_a_hundredth_of_the_retrained_spread(apart, expected):
    spread = confidences(RETRAINED.forget_logits, LABELS).std(axis=0)
    changed = HONEST.forget_logits.astype(np.float64)
    changed[50:] = changed[:50]
    changed[50:, np.arange(F), LABELS] += apart * spread
    assert ("identical_runs" in raised(pool(changed))) == expected


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


@pytest.mark.parametrize(("deviations", "expected"), [(3.95, False), (4.05, True)])
def test_a_gap_of_four_deviations_within_the_groups_is_a_mixture(deviations, expected):
    within = 0.5  # more than the scales of retrained models vary; two groups of two values each
    logs = np.where(np.arange(N) % 2, within, -within) + np.where(
        np.arange(N) < 30, 0.0, deviations * within + 2 * within
    )
    same = np.tile(HONEST.forget_logits[:1], (N, 1, 1))
    changed = pool(same.astype(np.float64) * np.exp(logs)[:, None, None])
    assert ("spike_or_mixture" in raised(changed)) == expected


@pytest.mark.parametrize(("gap", "expected"), [(3.95, False), (4.05, True)])
def test_a_gap_is_measured_by_the_retrained_models_where_groups_hardly_vary(gap, expected):
    scales = np.log(np.median(RETRAINED.forget_logits.astype(np.float64).std(axis=2), axis=1))
    same = np.tile(HONEST.forget_logits[:1].astype(np.float64), (N, 1, 1))
    same[:30] *= np.exp(gap * scales.std())
    assert ("spike_or_mixture" in raised(pool(same))) == expected


def test_spike_on_identical_runs():
    spike = same_runs(N).forget_logits
    spike[0] *= 10
    assert raised(pool(spike)) == ["identical_runs", "spike_or_mixture"]


@pytest.mark.parametrize(
    ("score", "official", "expected"),
    [
        (0.001, 0.051, True),
        (0.001, 0.049, False),
        (0.2, 0.201, True),
        (0.2, 0.199, False),
    ],
)
def test_official_high_score_low(score, official, expected):
    found = raised(score=score, neurips2023_score=official)
    assert ("official_high_score_low" in found) == expected


@pytest.mark.parametrize(
    ("utility", "more", "expected"),
    [
        (0.499, {}, True),
        (0.5, {}, False),
        (0.6, {"utility_floor": 0.6}, False),
        (0.6, {"utility_floor": 0.601}, True),
    ],
)
def test_utility_below_floor(utility, more, expected):
    assert ("utility_below_floor" in raised(utility=utility, **more)) == expected


@pytest.mark.parametrize(("forget", "expected"), [(0.699, True), (0.701, False), (1.0, False)])
def test_over_forgetting(forget, expected):
    unlearned = replace(HONEST, forget_accuracy=np.full(N, forget))
    assert ("over_forgetting" in raised(unlearned)) == expected


@pytest.mark.parametrize(
    ("fraction", "more", "expected"),
    [
        (0.201, {}, True),
        (0.2, {}, False),
        (0.15, {"retrain_limit": 0.1}, True),
        (None, {}, False),
    ],
)
def test_slow(fraction, more, expected):
    assert ("slow" in raised(retrain_fraction=fraction, **more)) == expected


def test_each_flag_says_what_was_found_and_what_it_means():
    spike = same_runs(N).forget_logits
    spike[0] *= 10
    unlearned = replace(pool(spike), forget_accuracy=np.full(N, 0.25))
    found = flags(unlearned, RETRAINED, LABELS, 0.1234, 0.5678, 0.4321, 0.314, 0.2)
    gap = _scale_gap(_log_scales(unlearned), _log_scales(RETRAINED))
    assert dict(found) == {
        "identical_runs": "99% of the runs give the same outputs as another run, as a fixed seed "
        "does; retrained models differ from run to run, and attackers see that these do not.",
        "spike_or_mixture": f"The scale of the logits falls into groups of runs {gap:.1f} standard "
        "deviations apart, as when a few runs are blown up or two methods take turns.",
        "official_high_score_low": "The 2023 competition's rule gives 0.568, more than the score "
        "of 0.123, which honest submissions never show; that rule can be gamed.",
        "utility_below_floor": "Utility is 0.432, below 0.5: the models have lost what they were "
        "trained for.",
        "over_forgetting": "Forget accuracy is 0.250, but 0.800 for retrained models: the forget "
        "set is not forgotten but avoided.",
        "slow": "A run takes at least 31% of the time of retraining; the limit is 20%.",
    }
    # Ten times the logits are log(10) more; the retrained models' own variation is the unit.
    scales = np.log(np.median(RETRAINED.forget_logits.astype(np.float64).std(axis=2), axis=1))
    assert gap == pytest.approx(np.log(10) / scales.std(), rel=1e-5)


def test_models_whose_scales_never_vary_can_be_looked_at():
    still = np.zeros((N, F, CLASSES))
    still[:, :, 0] = 1
    assert _scale_gap(_log_scales(pool(still)), _log_scales(pool(still))) == 0
    nothing = pool(np.zeros((N, F, CLASSES)))
    assert np.isfinite(_scale_gap(_log_scales(nothing), _log_scales(RETRAINED)))
    found = flags(nothing, nothing, LABELS, 0.5, 0.1, 0.95)
    assert [flag.name for flag in found] == ["identical_runs"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_logits_that_are_not_finite(value):
    broken = HONEST.forget_logits.copy()
    broken[3, 2, 1] = value
    with pytest.raises(ValueError, match=r"unlearned, shape \[100, 40, 4\]: 1 values are NaN"):
        raised(pool(broken))
