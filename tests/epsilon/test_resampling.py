"""Random halves: which they are, and that they are counted right."""

import numpy as np
import pytest

from harness.epsilon import forgetting_quality
from harness.epsilon.resampling import DRAWS, halves, interval, replicate


def test_halves_hold_half_the_models_each_as_often():
    unlearned, retrained = halves(21, 30)
    assert (unlearned.sum(axis=1) == 10).all()
    assert (retrained.sum(axis=1) == 15).all()
    # Five standard deviations of a count of heads.
    assert np.abs(retrained.sum(axis=0) - DRAWS / 2).max() < 5 * np.sqrt(DRAWS) / 2


def test_the_reference_is_halved_alike_for_all_submissions():
    np.testing.assert_array_equal(halves(21, 30)[1], halves(50, 30)[1])


def test_roles_are_halved_independently():
    unlearned, retrained = halves(30, 30)
    assert abs(np.corrcoef(unlearned.ravel(), retrained.ravel())[0, 1]) < 0.1


def test_a_draw_is_the_value_of_its_half():
    rng = np.random.default_rng(0)
    unlearned = rng.normal(0.8, 1, size=(30, 3)).round(1)  # with ties
    retrained = rng.normal(size=(30, 3)).round(1)
    draws = forgetting_quality(unlearned, retrained, attackers=["confidence"]).draws
    kept_u, kept_r = (kept[7] for kept in halves(30, 30))
    half = forgetting_quality(unlearned[kept_u], retrained[kept_r], attackers=["confidence"])
    assert draws[7] == pytest.approx(half.value, rel=1e-6)


def test_replicates_keep_the_relative_deviations():
    draws = np.array([0.2, 0.3, 0.4])
    for models, widened in ((40, 1.25 * 1.5), (10**9, 1.25)):
        replicates = replicate(0.1, draws, models)
        assert replicates.mean() == pytest.approx(0.1)
        assert np.std(replicates) / 0.1 == pytest.approx(widened * np.std(draws) / draws.mean())
    assert replicate(0.0, np.zeros(3), 40).tolist() == [0, 0, 0]


def test_the_interval_is_a_factor_both_ways():
    low, high = interval(0.1, np.array([0.09, 0.11]))
    assert high == pytest.approx(0.1 * np.exp(1.959964 * 0.1))
    assert low * high == pytest.approx(0.1**2)
    assert interval(0.0, np.zeros(3)) == (0.0, 0.0)
