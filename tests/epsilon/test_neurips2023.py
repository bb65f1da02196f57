"""The competition's rule: agreement with the published scorer, and what it leaves open."""

from pathlib import Path

import numpy as np
import pytest

from harness.epsilon import neurips2023
from tests.benchmarks.metric_speed import tiled_epsilon

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "neurips2023_metric.npz")


@pytest.mark.parametrize("name", ["n512", "n128", "n64"])
def test_agrees_with_the_published_scorer(name):
    unlearned, retrained = GOLDEN[f"{name}_unlearned"], GOLDEN[f"{name}_retrained"]
    epsilons = neurips2023.epsilons(unlearned, retrained)
    np.testing.assert_allclose(epsilons, GOLDEN[f"{name}_epsilon"], rtol=0, atol=1e-4)
    for own_or_published in (epsilons, GOLDEN[f"{name}_epsilon"]):
        quality = neurips2023.forgetting_quality(own_or_published, len(unlearned))
        assert abs(quality - GOLDEN[f"{name}_forgetting_quality"]) < 1e-12


@pytest.mark.parametrize("scale", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_thresholds_tiled_over_models(scale, seed):
    rng = np.random.default_rng(seed)
    unlearned = scale * rng.normal(seed, 1 + seed / 2, size=(30, 2))
    retrained = scale * rng.normal(size=(20, 2))
    columns = zip(unlearned.T, retrained.T, strict=True)
    expected = [tiled_epsilon(u, r) for u, r in columns]
    np.testing.assert_allclose(
        neurips2023.epsilons(unlearned, retrained), expected, rtol=0, atol=1e-6
    )


def test_constant_pools():
    unlearned = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    retrained = np.array([[1.0, 2.0, 1.0], [1.0, 2.0, 2.0], [1.0, 2.0, 3.0]])
    assert neurips2023.epsilons(unlearned, retrained).tolist() == [0, 50, 50]


def test_thresholds_between_order_statistics_where_no_other_rule_is_left():
    # So close together, near saturation, that no point of either grid falls between the pools.
    unlearned, retrained = np.array([100.0, 100.001]), np.array([100.003, 100.005])
    epsilons = neurips2023.epsilons(
        np.stack([unlearned, unlearned], axis=1), np.stack([retrained, retrained], axis=1)
    )
    assert epsilons.tolist() == [50, 50]


def test_an_epsilon_earns_points_until_its_bin_ends_beyond_the_largest_that_so_many_can_show():
    # ceil(log(63)) is 5: the bin from 4.5 to 5 is the last that counts.
    earned = [neurips2023.forgetting_quality(np.array([e]), 64) for e in (0.0, 0.49, 0.5, 4.99, 5)]
    assert earned == [1, 1, 0.5, 2**-9, 0]
    assert neurips2023.forgetting_quality(np.array([0.0, 0.7, 50.0]), 64) == 0.5


@pytest.mark.parametrize("models", [2, 3, 8, 9])
def test_medians_and_grids_are_those_of_the_samples(models):
    positive = np.sort(np.random.default_rng(models).normal(size=models).astype(np.float32)) + 0.5
    negative = np.sort(np.random.default_rng(0).normal(size=5).astype(np.float32)) - 0.5
    assert neurips2023._median(positive) == np.median(positive)
    for one, other in ((positive, negative), (negative, positive)):
        grid = neurips2023._grid(one, other)
        both = np.concatenate([positive, negative])
        assert (grid[0], grid[-1]) == (both.min(), both.max())
        assert len(grid) == np.ceil(np.ptp(both) * 100)


def test_of_two_equally_wide_samples_the_one_with_the_smaller_median_is_the_peakiest():
    # Only an interval around the lower tells these apart, as its outliers are in the other's gap.
    lower = np.array([0.0, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 4.0])
    upper = np.array([1.0, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7, 5.0])
    pools = [np.stack([sample, sample], axis=1) for sample in (upper, lower)]
    for unlearned, retrained in (pools, pools[::-1]):
        expected = tiled_epsilon(unlearned[:, 0], retrained[:, 0])
        assert neurips2023.epsilons(unlearned, retrained) == pytest.approx([expected] * 2, abs=1e-6)


def test_pools_of_different_sizes():
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(50, 3)), rng.normal(1, 1, size=(80, 3))
    one_way = neurips2023.epsilons(small, large)
    assert one_way == pytest.approx(neurips2023.epsilons(large, small), abs=1e-4)


def test_the_spike_exploit_reaches_a_perfect_score():
    rng = np.random.default_rng(0)
    retrained = rng.normal(3, 1.5, size=(512, 3))
    spike = np.tile([3.5, 4.0, 4.5], (512, 1))
    spike[0] *= 10
    epsilons = neurips2023.epsilons(spike, retrained)
    assert neurips2023.forgetting_quality(epsilons, 512) == 1.0


def test_points_end_at_the_largest_epsilon_that_the_models_can_show():
    epsilons = np.array([0.0, 0.49, 0.5, 6.4, 6.5, 50.0])
    # ceil(log(511)) = 7: the bin from 6.5 to 7 still counts.
    points = [neurips2023.forgetting_quality([epsilon], 512) for epsilon in epsilons]
    assert points == [1, 1, 0.5, 2.0**-12, 2.0**-13, 0]
    assert neurips2023.forgetting_quality(epsilons, 512) == pytest.approx(np.mean(points))


@pytest.mark.parametrize(
    ("epsilons", "n_models", "message"),
    [
        ([], 512, r"epsilons, shape \[0\]"),
        ([-1.0], 512, r"epsilons, shape \[1\]"),
        ([np.nan], 512, r"epsilons, shape \[1\]"),
        ([1.0], 1, "n_models = 1: pass"),
    ],
)
def test_points_refuse_what_is_no_epsilon(epsilons, n_models, message):
    with pytest.raises(ValueError, match=message):
        neurips2023.forgetting_quality(epsilons, n_models)
