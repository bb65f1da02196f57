"""What every metric must keep to, whatever the confidences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness import confidences, metrics
from harness.epsilon import forgetting_quality, neurips2023

# Without shrinking, which takes minutes where an example takes a second.
CASES = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


class Metric(NamedTuple):
    """A figure of each example, from the confidences [N_u, F] and [N_r, F]."""

    measure: object
    grows: bool  # with the distance of the pools
    symmetric: bool = True
    by_rank: bool = False
    by_order: bool = False  # of the models: which half they fall into follows from it


def quality(*attackers):
    def measure(unlearned, retrained):
        found = forgetting_quality(unlearned, retrained, attackers=attackers)
        return 2.0 ** (-2 * found.epsilons)

    return measure


METRICS = {
    # Learned attackers measure both pools by the retrained models' spread.
    "quality": Metric(quality("confidence", "gaussian", "kernel"), grows=False, symmetric=False),
    "quality, by threshold": Metric(quality("confidence"), grows=False, by_rank=True),
    "neurips2023": Metric(neurips2023.epsilons, grows=True),
    "lower bound": Metric(metrics.epsilon_lower_bound, grows=True, symmetric=False, by_order=True),
    "klom": Metric(metrics.klom, grows=True, symmetric=False),
    "ks": Metric(metrics.ks_distance, grows=True, by_rank=True),
    "mu": Metric(metrics.gaussian_dp_mu, grows=True, by_rank=True),
}


def metrics_that(select=lambda metric: True):
    chosen = {name: metric for name, metric in METRICS.items() if select(metric)}
    return pytest.mark.parametrize("metric", chosen.values(), ids=chosen)


@st.composite
def pools(draw, same_size=False):
    """Confidences of two pools, Gaussian, with ties, atoms and outliers now and then."""
    n_unlearned = draw(st.integers(10, 24))
    n_retrained = n_unlearned if same_size else draw(st.integers(10, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    unlearned = rng.normal(draw(st.sampled_from([0.0, 0.5, 3.0])), 1, (n_unlearned, 3))
    unlearned *= draw(st.sampled_from([0.1, 1.0, 4.0]))
    retrained = rng.normal(size=(n_retrained, 3))
    if draw(st.booleans()):
        unlearned, retrained = unlearned.round(1), retrained.round(1)
    if draw(st.booleans()):
        unlearned[: draw(st.integers(1, n_unlearned))] = draw(st.sampled_from([0.25, 20.0]))
    return unlearned, retrained


@metrics_that(lambda metric: not metric.by_order)
@CASES
@given(pair=pools(), seed=st.integers(0, 99))
def test_the_order_of_the_models_does_not_matter(metric, pair, seed):
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(pool) for pool in pair]
    np.testing.assert_allclose(metric.measure(*shuffled), metric.measure(*pair), atol=1e-9)


@metrics_that()
@CASES
@given(pair=pools())
def test_an_example_does_not_depend_on_the_others(metric, pair):
    reordered = [pool[:, [2, 0, 1]] for pool in pair]
    np.testing.assert_allclose(
        metric.measure(*reordered), metric.measure(*pair)[[2, 0, 1]], atol=1e-9
    )


@metrics_that(lambda metric: metric.symmetric)
@CASES
@given(pair=pools())
def test_the_pools_can_be_swapped(metric, pair):
    np.testing.assert_allclose(metric.measure(*pair[::-1]), metric.measure(*pair), atol=1e-6)


@metrics_that(lambda metric: metric.by_rank)
@CASES
@given(pair=pools(), transform=st.sampled_from([np.exp, np.arcsinh, lambda x: x**3 + 5 * x]))
def test_rank_based_metrics_are_blind_to_monotone_transforms(metric, pair, transform):
    transformed = [transform(pool) for pool in pair]
    np.testing.assert_allclose(metric.measure(*transformed), metric.measure(*pair), atol=1e-9)


@metrics_that()
@settings(CASES, max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_more_separation_never_looks_like_less(metric, seed):
    rng = np.random.default_rng(seed)
    unlearned, retrained = rng.normal(size=(2, 40, 8))
    sign = 1 if metric.grows else -1
    figures = [sign * metric.measure(unlearned + shift, retrained).mean() for shift in (0, 1.5, 6)]
    spread = np.ptp(figures)
    assert spread > 0
    assert (np.diff(figures) > -0.1 * spread).all()


FINITE = st.floats(-100, 100, width=32)


@metrics_that()
@CASES
@given(
    unlearned=arrays(np.float64, (10, 2), elements=FINITE),
    retrained=arrays(np.float64, (11, 2), elements=FINITE),
)
def test_finite_confidences_give_finite_figures(metric, unlearned, retrained):
    found = metric.measure(unlearned, retrained)
    assert found.shape == (2,)
    assert np.isfinite(found).all()


@CASES
@given(
    logits=arrays(np.float64, (10, 2, 4), elements=st.floats(-30, 30, width=32)),
    constant=st.floats(-100, 100, width=16),
)
def test_a_constant_added_to_the_logits_changes_no_confidence(logits, constant):
    labels = np.array([0, 3])
    np.testing.assert_allclose(
        confidences(logits + constant, labels), confidences(logits, labels), atol=1e-9
    )


@settings(CASES, max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_whole_panel_on_logits(seed):
    """Model order and added constants, for attackers that see logits too."""
    rng = np.random.default_rng(seed)
    unlearned = rng.normal(0.5, 2, size=(24, 2, 4))
    retrained = rng.normal(size=(20, 2, 4))
    labels = np.array([0, 3])
    expected = forgetting_quality(unlearned, retrained, labels).strict.by_attacker.epsilons
    for changed in (
        (rng.permutation(unlearned), rng.permutation(retrained)),
        (unlearned + rng.normal(size=(24, 2, 1)), retrained),
    ):
        found = forgetting_quality(*changed, labels).strict.by_attacker.epsilons
        for attacker, epsilons in expected.items():
            np.testing.assert_allclose(found[attacker], epsilons, atol=1e-9, err_msg=attacker)


@metrics_that()
@pytest.mark.parametrize(
    ("unlearned", "retrained", "message"),
    [
        (np.full((20, 2), np.nan), np.zeros((20, 2)), r"unlearned, shape \[20, 2\]: 40 values"),
        (np.zeros((20, 2)), np.full((20, 2), np.inf), r"retrained, shape \[20, 2\]: 40 values"),
        (np.zeros((0, 2)), np.zeros((20, 2)), r"unlearned, shape \[0, 2\]: 0 models"),
        (np.zeros((20, 2)), np.zeros((1, 2)), r"retrained, shape \[1, 2\]: 1 models"),
        (np.zeros((20, 1)), np.zeros((20, 1)), r"unlearned, shape \[20, 1\]: 1 forget examples"),
        (np.zeros((20, 2)), np.zeros((20, 3)), r"shape \[20, 2\], and retrained, shape \[20, 3\]"),
        (np.zeros((20, 2), np.float16), np.zeros((20, 2)), r"unlearned, shape \[20, 2\]: float16"),
        (np.zeros(20), np.zeros((20, 2)), r"unlearned, shape \[20\]: pass \[N, F\]"),
    ],
)
def test_bad_input_is_refused_by_name_and_shape(metric, unlearned, retrained, message):
    with pytest.raises(ValueError, match=message):
        metric.measure(unlearned, retrained)
