"""No attacker is blinded by a few models, and neither view by what a model does to all logits."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from harness.epsilon import calibration, crossfit, forgetting_quality
from harness.epsilon.attackers import ATTACKERS, Attacker
from harness.epsilon.testing import check_attacker

ALL = ATTACKERS | {"of the user's own": Attacker(GaussianNB())}


@pytest.mark.parametrize("name", ALL)
def test_no_attacker_is_blinded_by_a_few_models(name):
    check_attacker(ALL[name])


def test_without_its_defence_an_attacker_is_blinded(monkeypatch):
    monkeypatch.setattr(crossfit, "CLIP", np.inf)
    with pytest.raises(AssertionError, match=r"two of 128 models huge"):
        check_attacker(ATTACKERS["quadratic"])


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
        (lambda c: c._replace(class_means=c.class_means[:, :2]), r"pass \[N, C\] = \[200, 5\]"),
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
