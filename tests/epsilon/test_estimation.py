"""Forgetting quality: error bounds, rules, the scale of DESIGN 2.5, refused input."""

import json
import os

import joblib
import numpy as np
import pytest
from scipy.stats import binom

from harness import forgetting_quality
from harness.epsilon import ForgettingQuality
from harness.epsilon.bounds import cut_tables, epsilon, error_bounds
from harness.epsilon.classifiers import Threshold

FAST = ["confidence", "gaussian"]


def pools(seed, n=64, f=3, shift=0.0, scale=1.0):
    rng = np.random.default_rng(seed)
    return shift + scale * rng.normal(size=(n, f)), rng.normal(size=(n, f))


@pytest.mark.parametrize("errors", [0, 1, 7, 19])
def test_error_bounds_leave_the_count_a_twentieth(errors):
    assert binom.cdf(errors, 20, error_bounds(20)[errors]) == pytest.approx(0.05)


def test_error_bounds_rise_to_one():
    assert (np.diff(error_bounds(20)) > 0).all()
    assert error_bounds(20)[20] == 1


def test_epsilon_of_error_rates():
    assert epsilon(0.1, 0.2, 0.0) == pytest.approx(np.log(0.8 / 0.1))
    assert epsilon(0.2, 0.1, 1e-5) == pytest.approx(np.log((0.8 - 1e-5) / 0.1))
    assert epsilon(1.0, 1.0, 1e-5) == -np.inf


def test_every_threshold_in_both_directions():
    """Against a loop over all thresholds, written from DESIGN 2.2 and 2.5."""
    unlearned, retrained = pools(0, n=20, f=6, shift=-0.7)
    unlearned[:5] = retrained[:5]  # ties between the pools
    bounds = error_bounds(20)
    expected = []
    for u, r in zip(unlearned.T, retrained.T, strict=True):
        found = [0.0]
        for t in np.concatenate([u, r]):
            for missed, alarms in (
                ((u < t).sum(), (r >= t).sum()),
                ((u >= t).sum(), (r < t).sum()),
            ):
                fpr, fnr = bounds[alarms], bounds[missed]
                for a, b in ((fpr, fnr), (fnr, fpr)):
                    if 1 - 1e-5 - a > 0:
                        found.append(np.log((1 - 1e-5 - a) / b))
        expected.append(max(found))
    quality = forgetting_quality(unlearned, retrained, attackers=["confidence"])
    np.testing.assert_allclose(quality.epsilons, expected, rtol=1e-12)
    assert quality.value == pytest.approx(np.mean(2.0 ** (-2 * np.array(expected))))


def test_perfect_separation_is_finite():
    unlearned, retrained = pools(0, shift=100)
    quality = forgetting_quality(unlearned, retrained, attackers=["confidence"])
    bound = error_bounds(64)[0]
    assert quality.epsilons == pytest.approx(np.log((1 - 1e-5 - bound) / bound))


def test_identical_pools_of_one_value_are_not_told_apart():
    same = np.ones((50, 2))
    assert forgetting_quality(same, same).value == 1.0
    assert forgetting_quality(same, same + 1).value < 0.05


def test_the_rule_of_an_example_has_the_error_rates_it_names():
    unlearned, retrained = pools(1, n=100, shift=-1)
    quality = forgetting_quality(unlearned, retrained, attackers=["confidence"])
    for example, rule in enumerate(quality.by_attacker.rules):
        bounds = error_bounds(100)
        again = epsilon(
            bounds[round(rule.false_positive_rate * 100)],
            bounds[round(rule.false_negative_rate * 100)],
            1e-5,
        )
        assert again == pytest.approx(quality.epsilons[example])
        assert str(rule).startswith(f"confidence {rule.direction} ")


def test_the_winner_has_the_largest_epsilon():
    unlearned, retrained = pools(2, n=100, scale=0.4)
    quality = forgetting_quality(unlearned, retrained)
    by_attacker = quality.by_attacker
    for example, rule in enumerate(by_attacker.rules):
        assert by_attacker.epsilons[rule.attacker, rule.view][example] == quality.epsilons[example]
    alone = forgetting_quality(unlearned, retrained, attackers=["confidence"])
    assert quality.value < 0.9 * alone.value
    shown = ["confidence", "gaussian", "kernel", "logistic"]
    assert list(by_attacker.epsilons) == [(attacker, "raw") for attacker in shown]


def test_logits_add_what_the_confidence_hides():
    rng = np.random.default_rng(3)
    labels = np.zeros(2, dtype=int)
    unlearned, retrained = rng.normal(size=(2, 100, 2, 4))
    # Swapping two wrong classes leaves the confidence alone.
    unlearned[..., 2] += 3
    retrained[..., 3] += 3
    quality = forgetting_quality(unlearned, retrained, labels)
    assert {rule.attacker for rule in quality.strict.by_attacker.rules} == {"discriminant"}
    assert quality.strict.value < 0.05
    assert quality.value > 0.5


# Cells of the table of DESIGN 2.5 at its own N, of few examples: their deviations there are
# about 0.15 an example near 1, and in proportion below.
SCALE = {
    "same": (0.0, 1.0, 0.95),
    "shift 0.5": (0.5, 1.0, 0.36),
    "shift 1": (1.0, 1.0, 0.10),
    "shift 2": (2.0, 1.0, 0.008),
    "spread 0.5": (0.0, 0.5, 0.040),
    "spread 2": (0.0, 2.0, 0.037),
}


@pytest.mark.parametrize("case", SCALE)
def test_scale_of_the_confidence_alone(case):
    shift, scale, expected = SCALE[case]
    unlearned, retrained = pools(4, n=512, f=20, shift=shift, scale=scale)
    value = forgetting_quality(1.5 * unlearned, 1.5 * retrained, attackers=["confidence"]).value
    assert value == pytest.approx(expected, rel=0.25)


def test_the_spike_exploit_earns_nothing():
    _, retrained = pools(5, n=512)
    spike = np.tile([0.3, -0.2, 0.5], (512, 1))
    spike[0] *= 10
    for shown in (["confidence"], ["kernel"]):
        assert forgetting_quality(spike, retrained, attackers=shown).value < 0.01


def test_the_interval_holds_the_value_and_narrows_with_models():
    narrow, wide = (
        forgetting_quality(*pools(6, n=n, f=8, shift=0.5), attackers=FAST) for n in (400, 50)
    )
    for quality in (narrow, wide):
        low, high = quality.interval
        assert 0 <= low < quality.value < high
    assert np.ptp(narrow.interval) < np.ptp(wide.interval)


def test_survives_json():
    quality = forgetting_quality(*pools(7), attackers=FAST)
    again = ForgettingQuality.from_dict(json.loads(json.dumps(quality.to_dict())))
    assert again.to_dict() == quality.to_dict()
    assert again.interval == quality.interval
    assert str(again.by_attacker.rules[0]) == str(quality.by_attacker.rules[0])


def test_processes_do_not_change_the_result():
    arguments = (*pools(8), None, FAST)
    alone = forgetting_quality(*arguments)
    with joblib.parallel_config(n_jobs=2):
        shared = forgetting_quality(*arguments)
    assert alone.to_dict() == shared.to_dict()
    assert forgetting_quality(*arguments, n_jobs=2).to_dict() == alone.to_dict()


class InAnotherProcess(Threshold):
    """Refuses to work in the process of this number."""

    def __init__(self, own: int = 0) -> None:
        self.own = own

    def _fit(self, samples: list[np.ndarray]) -> None:
        assert os.getpid() != self.own
        super()._fit(samples)


def test_n_jobs_spreads_the_examples_over_processes():
    attackers = [InAnotherProcess(os.getpid())]
    with pytest.raises(AssertionError):
        forgetting_quality(*pools(8), attackers=attackers)
    assert forgetting_quality(*pools(8), attackers=attackers, n_jobs=2).value > 0


GOOD = np.zeros((10, 2, 3))
LABELS = np.zeros(2, dtype=int)


@pytest.mark.parametrize(
    ("unlearned", "retrained", "labels", "message"),
    [
        (np.full((10, 2), np.nan), GOOD[..., 0], None, r"unlearned, shape \[10, 2\]: 20 values"),
        (GOOD[..., 0], np.full((10, 2), np.inf), None, r"retrained, shape \[10, 2\]: 20 values"),
        (GOOD[:0], GOOD, LABELS, r"unlearned, shape \[0, 2, 3\]: 0 models are too few"),
        (GOOD, GOOD[:1], LABELS, r"retrained, shape \[1, 2, 3\]: 1 models are too few"),
        (GOOD[:2], GOOD, LABELS, r"unlearned, shape \[2, 2, 3\].*at least 10"),
        (GOOD[:, :1], GOOD[:, :1], LABELS[:1], r"unlearned, shape \[10, 1, 3\].*at least 2"),
        (GOOD[:, :0], GOOD, LABELS, r"unlearned, shape \[10, 0, 3\].*at least 2"),
        (GOOD, GOOD[:, :, :2], LABELS, r"\[10, 2, 3\], and retrained, shape \[10, 2, 2\]"),
        (GOOD[:, [0, 0, 0]], GOOD, LABELS, r"\[10, 3, 3\], and retrained, shape \[10, 2, 3\]"),
        (GOOD[..., 0], GOOD, LABELS, r"\[10, 2\], and retrained, shape \[10, 2, 3\]"),
        (GOOD.astype(np.float16), GOOD, LABELS, r"unlearned, shape .*float16.*pass float32"),
        (GOOD[:, 0, 0], GOOD, LABELS, r"unlearned, shape \[10\]: pass \[N, F\] or \[N, F, C\]"),
        (GOOD, GOOD, None, r"labels is None.*classes of the 2 examples"),
        (GOOD, GOOD, LABELS + 3, r"labels, shape \[2\]: they run from 3 to 3.*0 to 2"),
        (GOOD, GOOD, LABELS[:1], r"labels, shape \[1\].*2 examples"),
    ],
)
def test_refuses_what_are_no_pools(unlearned, retrained, labels, message):
    with pytest.raises(ValueError, match=message):
        forgetting_quality(unlearned, retrained, labels)


@pytest.mark.parametrize("delta", [0.0, 1.0, np.nan])
def test_refuses_what_is_no_delta(delta):
    with pytest.raises(ValueError, match=f"delta = {delta}: pass a probability"):
        forgetting_quality(*pools(0), delta=delta)


def test_cut_tables_are_symmetric_in_the_pools():
    one, other = cut_tables(12, 15, 1e-5), cut_tables(15, 12, 1e-5)
    np.testing.assert_allclose(one.best, other.best.T)
