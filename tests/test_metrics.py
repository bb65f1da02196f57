"""Figures beside the score against closed forms and plain implementations of their own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from harness import metrics, scoring
from harness.epsilon import calibration, confidences, neurips2023
from harness.pool import Pool


def normals(n, f, shift=0.0, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, scale, (n, f)), rng.normal(size=(n, f))


def test_epsilon_quantiles():
    assert metrics.epsilon_quantiles(np.arange(11.0)) == (5.0, 9.0)


def test_lower_bound_holds_where_there_is_nothing_to_find():
    unlearned, retrained = normals(60, 400)
    bounds = metrics.epsilon_lower_bound(unlearned, retrained)
    # True epsilons are 0: at most 5 % of the bounds may lie above, give or take 3 deviations.
    assert np.mean(bounds > 0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_lower_bound_stays_below_the_true_epsilon():
    unlearned, retrained = normals(400, 100, shift=1)
    bounds = metrics.epsilon_lower_bound(unlearned, retrained)
    # At a threshold of 3, which few of 400 models reach, a unit shift gives this epsilon.
    true = np.log(norm.sf(2) / norm.sf(3))
    assert 0.3 < np.median(bounds) < true
    assert np.mean(bounds > true) <= 0.05


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_lower_bound_sees_spread(scale):
    bounds = metrics.epsilon_lower_bound(*normals(400, 10, scale=scale))
    assert np.median(bounds) > 0.5


def test_klom_is_the_divergence_of_the_unlearned_histogram_from_the_retrained():
    # All in the end bins of twenty.
    unlearned = np.repeat([[0.0, 0.0], [1.0, 1.0]], [2, 8], axis=0)
    retrained = np.repeat([[0.0, 0.0], [1.0, 1.0]], [7, 3], axis=0)
    expected = 0.2 * np.log(0.2 / 0.7) + 0.8 * np.log(0.8 / 0.3)
    assert metrics.klom(unlearned, retrained) == pytest.approx([expected] * 2)


def test_klom_of_pools_apart_is_that_of_the_least_share():
    unlearned, retrained = np.full((10, 2), 500.0), np.zeros((10, 2))
    assert metrics.klom(unlearned, retrained) == pytest.approx([np.log(1 / 1e-5)] * 2)
    # Clipped at ±100, so that one far margin does not put all others into one bin.
    unlearned = np.concatenate([np.full((9, 2), 60.0), np.full((1, 2), 1e6)])
    assert metrics.klom(unlearned, retrained) == pytest.approx(
        [0.9 * np.log(0.9e5) + 0.1 * np.log(0.1e5)] * 2
    )


def test_klom_grows_with_a_shift():
    values = [metrics.klom(*normals(500, 10, shift=shift)).mean() for shift in (0, 0.5, 1, 3)]
    assert 0 < values[0] < 0.1
    assert (np.diff(values) > 0).all()


def test_ks_distance():
    unlearned = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    retrained = np.array([[2.5, 5.0], [3.5, 5.0], [4.5, 5.0], [5.5, 5.0]])
    assert metrics.ks_distance(unlearned, retrained) == pytest.approx([0.75, 0.0])


def test_gaussian_dp_mu_finds_the_shift():
    mu = metrics.gaussian_dp_mu(*normals(2000, 20, shift=-0.7))
    assert mu.mean() == pytest.approx(0.7, abs=0.03)


def test_gaussian_dp_mu_of_separate_pools_is_finite():
    unlearned, retrained = normals(20, 3, shift=100)
    expected = np.sqrt(2) * norm.ppf(1 - 0.5 / 400)
    assert metrics.gaussian_dp_mu(unlearned, retrained) == pytest.approx([expected] * 3)


@pytest.mark.parametrize(("forget", "low", "high"), [(1.0, 0.4, 0.6), (0.05, 0.85, 1.0)])
def test_membership_inference(forget, low, high):
    rng = np.random.default_rng(0)
    losses = rng.exponential(forget, (4, 60)), rng.exponential(1, (4, 200))
    assert low < metrics.membership_inference_accuracy(*losses) < high


def test_membership_inference_spreads_over_many_models():
    rng = np.random.default_rng(0)
    test = rng.exponential(1, (80, 60))
    forget = rng.exponential(np.linspace(0.01, 1, 80)[:, None], (80, 60))
    accuracy = metrics.membership_inference_accuracy(forget, test)
    ends = [
        metrics.membership_inference_accuracy(forget[s], test[s]) for s in (slice(9), slice(70, 80))
    ]
    assert ends[1] < accuracy < ends[0]
    # Eight of them, at equal distances in the order of their mean forget loss.
    order = np.argsort(forget.mean(axis=1))
    attacked = order[[0, 11, 23, 34, 45, 56, 68, 79]]
    assert accuracy == metrics.membership_inference_accuracy(forget[attacked], test[attacked])


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        (np.full((3, 20), np.nan), r"forget_losses, shape \[3, 20\]: 60 values"),
        (np.zeros((0, 20)), r"forget_losses, shape \[0, 20\]: 0 models"),
        (np.zeros(20), r"forget_losses, shape \[20\]: pass \[N, F\]"),
    ],
)
def test_membership_inference_refuses(forget, message):
    with pytest.raises(ValueError, match=message):
        metrics.membership_inference_accuracy(forget, np.zeros((3, 20)))


F, CLASSES = 12, 3
LABELS = np.arange(F) % CLASSES


def pool(seed, n=40, retain=0.9):
    rng = np.random.default_rng(seed)
    return Pool(
        rng.normal(size=(n, F, CLASSES)).astype(np.float32),
        rng.exponential(size=(n, 30)).astype(np.float32),
        np.full(n, retain),
        np.full(n, 0.6),
        np.full(n, 0.7),
        np.full(n, 0.8),
        *calibration(3 * rng.normal(size=(n, 30, CLASSES))),
    )


@pytest.fixture(scope="module")
def scored():
    unlearned, retrained = pool(0, retain=0.99), pool(1)
    attackers = ["confidence", "gaussian", "discriminant"]
    return unlearned, retrained, scoring.quality(unlearned, retrained, LABELS, attackers)


# Forty models and ten examples: how far each unlearned confidence lies above its retrained one,
# and for the first example, whose spread is half as wide, nothing else.
SHIFTS = np.array([0.0, 0, 1, 2, 6, 7, 7, 8, 12, 20])
STEPS = np.arange(40) / 4
PHI_R = np.repeat(STEPS[:, None], 10, axis=1)
PHI_U = PHI_R + SHIFTS
PHI_U[:, 0] /= 2
TWO = np.arange(10) % 2


def by_hand(phi, test_losses, accuracies):
    """A pool of these confidences on two classes: the logit of the other class is zero."""
    logits = np.zeros((*phi.shape, 2))
    logits[:, np.arange(10), TWO] = phi
    given = (np.full(40, accuracy) for accuracy in accuracies)
    return Pool(logits, test_losses, *given, *calibration(logits))


def divergence(u, r):
    """KLOM of one example, in plain steps of its definition."""
    low, high = min(*u, *r), max(*u, *r)
    places = [[min(int((x - low) / (high - low) * 20), 19) for x in sample] for sample in (u, r)]
    total = 0.0
    for b in range(20):
        p, q = (own.count(b) / len(own) for own in places)
        total += p * np.log(p / max(q, 1e-5)) if p else 0.0
    return total


def mu(u, r):
    """Gaussian-DP mu of one example, pair by pair."""
    area = np.mean([(x > y) + (x == y) / 2 for x in u for y in r])
    return np.sqrt(2) * norm.ppf(min(max(area, 1 - area), 1 - 0.5 / (len(u) * len(r))))


def test_every_figure_is_what_it_is_by_hand():
    # Losses of the unlearned models on the forget set are all below those on the test set; the
    # retrained models have one loss on both.
    unlearned = by_hand(PHI_U, np.full((40, 12), 50.0), (0.81, 0.55, 0.7, 0.6))
    own_losses = np.repeat(np.log1p(np.exp(-STEPS))[:, None], 12, axis=1)
    retrained = by_hand(PHI_R, own_losses, (0.9, 0.65, 0.75, 0.8))
    epsilons, delta = np.arange(11) / 2, 0.05
    columns = [(PHI_U[:, e], PHI_R[:, e]) for e in range(10)]
    bounds = metrics.epsilon_lower_bound(PHI_U, PHI_R, delta)
    official = neurips2023.forgetting_quality(neurips2023.epsilons(PHI_U, PHI_R, delta), 40)
    expected = {
        "neurips2023_forgetting_quality": official,
        # The competition did not cap its ratios.
        "neurips2023_score": official * (0.81 / 0.9) * (0.6 / 0.8),
        "epsilon_median": 2.5,
        "epsilon_p90": 4.5,
        "epsilon_lower_bound_median": np.sort(bounds)[4:6].mean(),
        "klom": sum(divergence(u.tolist(), r.tolist()) for u, r in columns) / 10,
        "ks_distance": (0.6 + 0.7) / 2,  # of 0, 0.1, 0.2, 0.5, 0.6, 0.7, 0.7, 0.8, 1, 1
        "gaussian_dp_mu": np.sort([mu(u, r) for u, r in columns])[4:6].mean(),
        "membership_inference_accuracy": 1.0,
        "retrained_membership_inference_accuracy": 0.5,
        "retain_accuracy": 0.81,
        "forget_accuracy": 0.55,
        "validation_accuracy": 0.7,
        "test_accuracy": 0.6,
        "retrained_retain_accuracy": 0.9,
        "retrained_forget_accuracy": 0.65,
        "retrained_validation_accuracy": 0.75,
        "retrained_test_accuracy": 0.8,
        "seconds_per_run": 3.0,
        "retrain_fraction": 0.15,
    }
    found = metrics.figures(unlearned, retrained, TWO, epsilons, delta, 3.0, 20.0)
    assert found == pytest.approx(expected)
    assert official > 0.05
    assert np.median(bounds) > 0.2
    assert len({round(value, 6) for value in expected.values()}) >= len(expected) - 2
    other = metrics.figures(unlearned, retrained, TWO, epsilons)  # another delta
    assert other["epsilon_lower_bound_median"] != found["epsilon_lower_bound_median"]
    assert other["neurips2023_score"] != found["neurips2023_score"]
    assert other["retrain_fraction"] is other["seconds_per_run"] is None


def test_a_retrained_accuracy_of_zero_divides_nothing():
    models = pool(0)
    useless = replace(models, retain_accuracy=np.zeros(40), test_accuracy=np.zeros(40))
    found = metrics.figures(models, useless, LABELS, np.zeros(12))
    assert found["neurips2023_score"] == found["neurips2023_forgetting_quality"]


def test_per_example(scored):
    unlearned, retrained, quality = scored
    columns = metrics.per_example(unlearned, retrained, LABELS, quality)
    assert {len(column) for column in columns.values()} == {F}
    phi = {
        "unlearned": confidences(unlearned.forget_logits, LABELS),
        "retrained": confidences(retrained.forget_logits, LABELS),
    }
    for name, values in phi.items():
        median, spread = columns[f"{name}_median"], columns[f"{name}_spread"]
        np.testing.assert_allclose(median, np.median(values, axis=0))
        middle = np.subtract(*np.quantile(values, [0.75, 0.25], axis=0))
        np.testing.assert_allclose(spread, middle)
    for name in ("klom", "ks_distance"):
        np.testing.assert_array_equal(columns[name], getattr(metrics, name)(*phi.values()))
    np.testing.assert_array_equal(columns["label"], LABELS)
    assert columns["rule"] == [str(rule) for rule in quality.by_attacker.rules]
    assert set(columns["attacker"]) <= {"confidence", "gaussian"}
    each = {k.removeprefix("epsilon_"): v for k, v in columns.items() if k.startswith("epsilon_")}
    strict = each.pop("discriminant_logits")
    assert list(each) == [
        f"{attacker}_{view}"
        for attacker in ("confidence", "gaussian")
        for view in ("raw", "calibrated")
    ]
    np.testing.assert_array_equal(np.max([*each.values()], axis=0), columns["epsilon"])
    np.testing.assert_array_equal(np.maximum(strict, columns["epsilon"]), quality.strict.epsilons)
    winners = [each[f"{a}_{v}"] for a, v in zip(columns["attacker"], columns["view"], strict=True)]
    np.testing.assert_array_equal(np.diagonal(winners), columns["epsilon"])
