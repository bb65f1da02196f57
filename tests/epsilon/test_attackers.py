"""Attackers: proper scikit-learn estimators, each catching what its page says it catches."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.utils.estimator_checks import parametrize_with_checks

from harness.epsilon import attackers, forgetting_quality
from harness.epsilon.attackers import ATTACKERS, DEFAULT_PANEL, Attacker
from harness.epsilon.classifiers import (
    GaussianLikelihoodRatio,
    KernelLikelihoodRatio,
    Threshold,
)
from harness.epsilon.crossfit import Models

OWN = [Threshold(), GaussianLikelihoodRatio(), KernelLikelihoodRatio()]


def expected_failures(estimator):
    # Sees one column, as its page says, where the check's classes differ in all of them.
    return {"check_classifiers_train": "one column"} if isinstance(estimator, Threshold) else {}


@parametrize_with_checks(OWN, expected_failed_checks=expected_failures)
def test_own_attackers_are_scikit_learn_estimators(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ATTACKERS)
def test_every_attacker_is_a_classifier_that_can_be_cloned(name):
    assert getattr(attackers, name).__doc__
    estimator = ATTACKERS[name].estimator
    assert is_classifier(estimator)
    assert repr(clone(estimator)) == repr(estimator)
    assert hasattr(estimator, "decision_function") or hasattr(estimator, "predict_proba")


def test_every_attacker_is_what_its_page_says():
    """Written out here: they are made at import, where no mutation tester looks."""
    said = {
        "confidence": ("Threshold()", "confidence", False),
        "gaussian": ("GaussianLikelihoodRatio()", "confidence", True),
        "kernel": ("KernelLikelihoodRatio()", "confidence", True),
        "logistic": (
            "Pipeline(steps=[('polynomialfeatures', PolynomialFeatures(include_bias=False)), "
            "('logisticregression', LogisticRegression(class_weight='balanced', "
            "solver='newton-cholesky'))])",
            "confidence",
            True,
        ),
        "discriminant": (
            "LinearDiscriminantAnalysis(priors=[0.5, 0.5], shrinkage='auto', solver='lsqr')",
            "logits",
            True,
        ),
        "quadratic": ("GaussianLikelihoodRatio()", "logits", True),
        "support_vector": ("SVC(class_weight='balanced')", "logits", True),
        "gradient_boosting": ("HistGradientBoostingClassifier(random_state=0)", "logits", True),
        "k_neighbors": ("KNeighborsClassifier(n_neighbors=25)", "logits", True),
        "random_forest": (
            "RandomForestClassifier(min_samples_leaf=5, random_state=0)",
            "logits",
            True,
        ),
    }
    found = {
        name: (" ".join(repr(attacker.estimator).split()), attacker.sees, attacker.learned)
        for name, attacker in ATTACKERS.items()
    }
    assert found == said
    assert tuple(said)[:7] == DEFAULT_PANEL


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (80, 1)), rng.normal(1, 2, (120, 1))])
    return X, np.arange(200) >= 80


def test_gaussian_is_the_log_likelihood_ratio(sample):
    X, y = sample
    reference = GaussianNB(priors=[0.5, 0.5], var_smoothing=0).fit(X, y).predict_log_proba(X)
    ours = GaussianLikelihoodRatio(min_spread=0).fit(X, y).decision_function(X)
    np.testing.assert_allclose(ours, reference[:, 1] - reference[:, 0], atol=1e-9)


def test_kernel_is_the_ratio_of_two_density_estimates(sample):
    X, y = sample
    fitted = KernelLikelihoodRatio().fit(X, y)

    def log_density(sample):
        low, high = np.quantile(sample, [0.25, 0.75])
        width = 0.9 * min(sample.std(), (high - low) / 1.34) * len(sample) ** -0.2
        return KernelDensity(bandwidth=width).fit(sample).score_samples(X)

    expected = log_density(X[y]) - log_density(X[~y])
    np.testing.assert_allclose(fitted.decision_function(X), expected, atol=1e-6)


def test_kernel_scales_each_column_by_its_own_rule():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 2)) * [1.0, 30.0]
    y = np.arange(60) % 2 == 1
    fitted = KernelLikelihoodRatio(bandwidth=2.0).fit(X, y)
    scaled = X / X.std(axis=0)

    def log_density(sample):
        low, high = np.quantile(sample, [0.25, 0.75], axis=0)
        width = 1.8 * np.minimum(sample.std(axis=0), (high - low) / 1.34) * len(sample) ** -0.2
        narrow = KernelDensity().fit(sample / width).score_samples(scaled / width)
        return narrow - np.log(width).sum()

    expected = log_density(scaled[y]) - log_density(scaled[~y])
    np.testing.assert_allclose(fitted.decision_function(X), expected, atol=1e-6)


def test_kernel_tells_points_far_from_both_samples(sample):
    X, y = sample
    far = KernelLikelihoodRatio().fit(X, y).decision_function(np.array([[-1e3], [1e3]]))
    assert np.isfinite(far).all()


def advantage(name, unlearned, retrained):
    """Area under the ROC curve of an attacker's out-of-fold scores."""
    found = Models(unlearned, retrained).scores(ATTACKERS[name])
    return roc_auc_score(np.arange(len(found)) < len(unlearned), found)


@pytest.mark.parametrize("name", ["confidence", "gaussian", "kernel", "logistic"])
def test_a_shift_of_the_confidence_is_seen(name):
    rng = np.random.default_rng(1)
    retrained, unlearned = rng.normal(0, 1, (200, 1)), rng.normal(1, 1, (200, 1))
    # The best there is has an area of 0.76.
    assert advantage(name, unlearned, retrained) > 0.7


@pytest.mark.parametrize(
    ("name", "sees_it"),
    [("confidence", False), ("gaussian", True), ("kernel", True), ("logistic", True)],
)
def test_too_little_spread_is_seen_by_all_but_a_threshold(name, sees_it):
    rng = np.random.default_rng(2)
    retrained, unlearned = rng.normal(0, 1, (200, 1)), rng.normal(0, 0.4, (200, 1))
    assert (advantage(name, unlearned, retrained) > 0.65) == sees_it


@pytest.mark.parametrize(("name", "sees_it"), [("gaussian", False), ("kernel", True)])
def test_two_modes_are_seen_by_the_kernel(name, sees_it):
    rng = np.random.default_rng(3)
    retrained = rng.normal(0, 1, (200, 1))
    unlearned = rng.choice([-1, 1], (200, 1)) * rng.normal(0.98, 0.2, (200, 1))
    assert (advantage(name, unlearned, retrained) > 0.7) == sees_it


@pytest.mark.parametrize(
    "name",
    [
        "discriminant",
        "quadratic",
        "support_vector",
        "gradient_boosting",
        "k_neighbors",
        "random_forest",
    ],
)
def test_logits_show_what_the_confidence_does_not(name):
    rng = np.random.default_rng(4)
    retrained, unlearned = rng.normal(0, 1, (100, 5)), rng.normal(0, 1, (100, 5))
    unlearned[:, 3] += 2
    assert advantage(name, unlearned, retrained) > 0.85


@pytest.mark.parametrize(("name", "sees_it"), [("discriminant", False), ("quadratic", True)])
def test_dependence_between_logits_is_seen_by_the_quadratic(name, sees_it):
    rng = np.random.default_rng(6)
    retrained, unlearned = rng.normal(0, 1, (200, 3)), rng.normal(0, 1, (200, 3))
    unlearned[:, 1] = 0.9 * unlearned[:, 0] + np.sqrt(1 - 0.9**2) * unlearned[:, 1]
    assert (advantage(name, unlearned, retrained) > 0.7) == sees_it


@pytest.mark.parametrize(
    ("name", "sees_it"), [("discriminant", False), ("quadratic", True), ("support_vector", True)]
)
def test_logits_scaled_at_random_are_seen_by_what_is_not_linear(name, sees_it):
    rng = np.random.default_rng(7)
    retrained = rng.normal(3, 1, (300, 3))
    unlearned = rng.normal(1, 0.2, (300, 3)) * rng.uniform(0.5, 5, (300, 1))
    assert (advantage(name, unlearned, retrained) > 0.7) == sees_it


def test_scores_are_out_of_fold():
    # One neighbour would tell every model that it was fitted to.
    rng = np.random.default_rng(5)
    chosen = attackers.panel({"confidence": {}, "k_neighbors": {"n_neighbors": 1}}, True)
    nearest = chosen["k_neighbors"]
    found = Models(*rng.normal(size=(2, 200, 2))).scores(nearest)
    assert roc_auc_score(np.arange(400) < 200, found) < 0.6


def test_a_panel_is_named_parameterised_or_ones_own():
    assert tuple(attackers.panel(None, True)) == DEFAULT_PANEL
    assert tuple(attackers.panel((), False)) == DEFAULT_PANEL[:-3]
    assert tuple(attackers.panel(["kernel", "gaussian"], True)) == ("kernel", "gaussian")
    own = Attacker(GaussianNB())
    chosen = attackers.panel({"kernel": {"bandwidth": 2.0}, "mine": own}, False)
    assert chosen["kernel"].estimator.bandwidth == 2.0
    assert chosen["mine"] is own
    assert ATTACKERS["kernel"].estimator.bandwidth == 1.0
    assert attackers.panel([GaussianNB(), "kernel"], False)["GaussianNB"].estimator.priors is None


@pytest.mark.parametrize(
    ("chosen", "logits", "message"),
    [
        (["kernal"], True, "no 'kernal'; known: confidence, gaussian"),
        ({"kernel": {"width": 1}}, True, "kernel: Invalid parameter 'width'"),
        (["discriminant"], True, r"\['discriminant'\] all look at logits; name one"),
        (["discriminant"], False, "all look at logits"),
    ],
)
def test_a_panel_that_makes_no_sense_is_refused(chosen, logits, message):
    with pytest.raises(ValueError, match=message):
        attackers.panel(chosen, logits)


def _two_modes(rng):
    return rng.choice([-1, 1], (200, 2)) * rng.normal(0.98, 0.1, (200, 2)), rng.normal(
        size=(200, 2)
    )


def _too_narrow(rng):
    return 0.3 * rng.normal(size=(200, 2)), rng.normal(size=(200, 2))


def _dependent_logits(rng):
    unlearned, retrained = rng.normal(size=(2, 200, 2, 5))
    unlearned[..., 3] = 0.95 * unlearned[..., 2] + 0.3 * unlearned[..., 3]
    return unlearned, retrained


def _signs_that_multiply(rng):
    """Three wrong classes up or down: an even number down if unlearned, an odd if retrained."""
    pools = 0.3 * rng.normal(size=(2, 200, 2, 4))
    for pool, product in zip(pools, (1, -1), strict=True):
        first, second = rng.choice([-1, 1], (2, 200, 2))
        pool[..., 1:] += np.stack([first, second, product * first * second], axis=-1)
    return pools


@pytest.mark.parametrize(
    ("pools", "needed"),
    [
        (_two_modes, {"kernel"}),
        (_too_narrow, {"gaussian", "kernel", "logistic"}),
        (_dependent_logits, {"quadratic"}),
        (_dependent_logits, {"quadratic", "support_vector"}),
        (_signs_that_multiply, {"support_vector"}),
    ],
)
def test_without_its_specialists_the_panel_finds_less(pools, needed):
    unlearned, retrained = pools(np.random.default_rng(8))
    labels = np.zeros(2, dtype=int) if unlearned.ndim == 3 else None
    values = []
    for names in (DEFAULT_PANEL, [name for name in DEFAULT_PANEL if name not in needed]):
        found = forgetting_quality(unlearned, retrained, labels, names)
        values.append((found.strict or found).value)
    assert values[1] > 1.5 * values[0]
