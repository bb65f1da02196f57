"""No attacker is blinded by a few models, and neither view by what a model does to all logits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB

from harness.epsilon import calibrated, calibration, crossfit, forgetting_quality, testing
from harness.epsilon.attackers import ATTACKERS, Attacker, panel
from harness.epsilon.crossfit import Models
from harness.epsilon.testing import check_attacker
from tests.epsilon.test_invariants import CASES

# Fewer trees, as it is the defence that is tested and not they.
SMALL = {"random_forest": {"n_estimators": 10}, "gradient_boosting": {"max_iter": 10}}
OWN = {"of the user's own": Attacker(GaussianNB())}
ALL = panel({key: {} for key in ATTACKERS} | SMALL | OWN, logits=True)


@pytest.mark.parametrize("name", ALL)
def test_no_attacker_is_blinded_by_a_few_models(name):
    check_attacker(ALL[name])


SLOW = {"gradient_boosting", "random_forest", "support_vector"}
DRAWN = st.floats(-1.0000000150474662e30, 1.0000000150474662e30, width=32)


@pytest.mark.parametrize("name", ALL)
def test_no_two_models_whatever_they_are_blind_an_attacker(name):
    columns = 1 if ALL[name].sees == "confidence" else 4

    @settings(CASES, max_examples=2 if name in SLOW else 5)
    @given(
        case=st.sampled_from([*testing.CASES]),
        values=arrays(np.float32, (2, columns), elements=DRAWN),
    )
    def check(case, values):
        testing.check_breakdown(ALL[name], case, {f"{values}": lambda _: values})

    check()


ODD = {
    "quantised": np.round,
    "tied": lambda z: np.repeat(z[:1], len(z), axis=0),
    "mostly tied": lambda z: np.where(np.arange(len(z))[:, None] % 5, z[:1], z),
    "constant": np.ones_like,
    "denormal": lambda z: z * 1e-42,
    "huge": lambda z: z * 1e30,
    "one huge": lambda z: np.where(np.arange(len(z))[:, None] == 3, 1e30, z),
}


@pytest.mark.parametrize("name", ALL)
@settings(CASES, max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), ours=st.sampled_from([*ODD]), theirs=st.sampled_from([*ODD]))
def test_odd_values_get_finite_scores_from_every_attacker(name, seed, ours, theirs):
    unlearned, retrained = np.random.default_rng(seed).normal(size=(2, 30, 3))
    columns = np.s_[:, :1] if ALL[name].sees == "confidence" else np.s_[:]
    models = Models(ODD[ours](unlearned)[columns], ODD[theirs](retrained)[columns])
    assert np.isfinite(models.scores(ALL[name])).all()


@CASES
@given(
    seed=st.integers(0, 2**32 - 1),
    offsets=arrays(np.float64, (6, 1, 4), elements=st.floats(-50, 50, width=32)),
    temperatures=arrays(np.float64, (6, 1, 1), elements=st.floats(0.125, 8, width=32)),
)
def test_the_calibrated_view_is_blind_to_offsets_and_temperatures(seed, offsets, temperatures):
    logits = 3 * np.random.default_rng(seed).normal(size=(6, 30, 4))
    seen, shown = logits[:, :20], logits[:, 20:]

    def hidden(z):
        return z * temperatures + offsets

    plain = calibrated(shown, calibration(seen))
    np.testing.assert_allclose(
        calibrated(hidden(shown), calibration(hidden(seen))), plain, atol=1e-9
    )
    assert np.abs(plain).max() > 3  # it has not lost what it shows


def test_more_wild_models_than_are_trimmed_are_clipped(monkeypatch):
    rng = np.random.default_rng(0)
    unlearned, retrained = rng.normal(size=(2, N, 3))
    unlearned += 2
    unlearned[::16] = 1e30

    def told_apart():
        scores = Models(unlearned, retrained).scores(ATTACKERS["discriminant"])
        return roc_auc_score(np.arange(2 * N) < N, scores)

    assert told_apart() > 0.9
    monkeypatch.setattr(crossfit, "CLIP", np.inf)
    assert told_apart() < 0.9


@pytest.mark.parametrize("name", ["gaussian", "logistic", "quadratic"])
def test_clipping_alone_does_not_save_who_learns_from_the_outliers(monkeypatch, name):
    monkeypatch.setattr(crossfit, "_core", lambda pool: np.arange(len(pool)))
    with pytest.raises(AssertionError, match="pools too narrow"):
        check_attacker(ATTACKERS[name])


F, CLASSES, N = 4, 5, 200
LABELS = np.arange(F) % CLASSES


@pytest.fixture
def models():
    """Logits [N, V + F, C] of original models that all say the same, and of retrained ones."""
    rng = np.random.default_rng(0)
    images = 3 * rng.normal(size=(60 + F, CLASSES))
    images[60 + np.arange(F), LABELS] += 6
    same = images + 0.02 * rng.normal(size=(N, 60 + F, CLASSES))
    retrained = images + rng.normal(size=(N, 60 + F, CLASSES))
    retrained[:, 60 + np.arange(F), LABELS] -= 1
    return same, retrained


def quality(unlearned, retrained, calibrate=True):
    by = tuple(calibration(pool[:, :60]) for pool in (unlearned, retrained))
    pools = (pool[:, 60:] for pool in (unlearned, retrained))
    attackers = ["confidence", "gaussian"]
    return forgetting_quality(*pools, LABELS, attackers, calibrations=by if calibrate else None)


HIDING = {
    "an offset of each class": lambda z, g: z + 2 * g.normal(size=(N, 1, CLASSES)),
    "a temperature": lambda z, g: z * np.exp(0.3 * g.normal(size=(N, 1, 1))),
}


@pytest.mark.parametrize("how", HIDING)
def test_offsets_and_temperatures_of_a_run_hide_nothing(models, how):
    same, retrained = models
    hidden = HIDING[how](same, np.random.default_rng(1))
    gained = quality(hidden, retrained, calibrate=False).value
    plain = quality(same, retrained)
    assert gained > 3 * plain.value
    found = quality(hidden, retrained)
    for attacker in ("confidence", "gaussian"):
        sight = attacker, "calibrated"
        np.testing.assert_allclose(
            found.by_attacker.epsilons[sight], plain.by_attacker.epsilons[sight], atol=1e-9
        )
    assert found.value < 1.2 * plain.value
    assert {rule.view for rule in found.by_attacker.rules} == {"calibrated"}


@pytest.mark.parametrize("logits", [np.zeros, np.ones])
def test_models_that_say_the_same_to_every_image_can_be_calibrated(models, logits):
    _, retrained = models
    assert np.isfinite(quality(logits(retrained.shape), retrained).epsilons).all()


def test_one_validation_image_of_each_class_is_enough_to_run(models):
    same, retrained = models
    by = tuple(calibration(pool[:, :CLASSES]) for pool in (same, retrained))
    found = forgetting_quality(
        same[:, 60:], retrained[:, 60:], LABELS, ["gaussian"], calibrations=by
    )
    assert 0 < found.value < 1


def test_two_classes(models):
    same, retrained = (pool[..., :2] for pool in models)
    by = tuple(calibration(pool[:, :60]) for pool in (same, retrained))
    found = forgetting_quality(same[:, 60:], retrained[:, 60:], LABELS % 2, calibrations=by)
    assert np.isfinite(found.strict.epsilons).all()


@pytest.mark.parametrize("values", ["quantised", "tied", "denormal"])
def test_odd_logits_give_finite_epsilons(models, values):
    same, retrained = (pool.astype(np.float32) for pool in models)
    odd = {
        "quantised": lambda z: z.round(),
        "tied": lambda z: np.repeat(z[:1], N, axis=0),
        "denormal": lambda z: z * np.float32(1e-42),
    }[values]
    by = tuple(calibration(odd(pool)[:, :60]) for pool in (same, retrained))
    pools = (odd(pool)[:, 60:] for pool in (same, retrained))
    found = forgetting_quality(*pools, LABELS, calibrations=by)
    assert np.isfinite(found.epsilons).all()
    assert np.isfinite(found.strict.epsilons).all()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (
            lambda c: c._replace(class_means=c.class_means[:, :2]),
            r"calibration of unlearned, class_means of shape \[200, 2\] and scales of shape "
            r"\[200\]: pass \[N, C\] = \[200, 5\] and \[N\]",
        ),
        (lambda c: c._replace(scales=c.scales[:9]), r"scales of shape \[9\]"),
        (lambda c: c._replace(scales=c.scales * np.nan), "it is not finite"),
    ],
)
def test_a_calibration_of_something_else_is_refused(models, by, message):
    same, retrained = models
    good = [calibration(pool[:, :60]) for pool in models]
    with pytest.raises(ValueError, match=message):
        forgetting_quality(
            same[:, 60:], retrained[:, 60:], LABELS, calibrations=(by(good[0]), good[1])
        )
