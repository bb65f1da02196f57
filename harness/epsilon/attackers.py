"""The attackers that a competition can name: what each catches, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Literal, NamedTuple

from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm import SVC

from harness.epsilon.classifiers import (
    GaussianLikelihoodRatio,
    KernelLikelihoodRatio,
    Threshold,
)


class Attacker(NamedTuple):
    """A scikit-learn classifier, and what it sees of each model.

    Attributes
    ----------
    estimator : estimator
        With `fit` and `decision_function` or `predict_proba`; it is cloned before each fit.
    sees : {"confidence", "logits"}
        One column, the confidence in the label, as it is and once more calibrated; or C, the
        logits less their mean. Those who see the confidence make the score, all the strict score.
    learned : bool
        Whether a fit can adapt to the models it sees, which are then scored out of fold.
    """

    estimator: Any
    sees: Literal["confidence", "logits"] = "confidence"
    learned: bool = True


def confidence() -> Attacker:
    """The confidence itself, as `Threshold` describes it; nothing is learned."""
    return Attacker(Threshold(), learned=False)


def gaussian() -> Attacker:
    """Shift and spread of the confidence, as `GaussianLikelihoodRatio` describes it."""
    return Attacker(GaussianLikelihoodRatio())


def kernel() -> Attacker:
    """Shape of the confidence, as `KernelLikelihoodRatio` describes it."""
    return Attacker(KernelLikelihoodRatio())


def logistic() -> Attacker:
    """Logistic regression on the confidence and its square.

    Catches what `gaussian` catches, with less trust in the tails: an outlier that widens a
    Gaussian moves a logistic curve little. Costs some ten milliseconds an example.

    References
    ----------
    The membership attack of the NeurIPS 2023 starting kit, given the square as well.
    """
    return Attacker(
        make_pipeline(
            PolynomialFeatures(2, include_bias=False),
            LogisticRegression(class_weight="balanced", solver="newton-cholesky"),
        )
    )


def discriminant() -> Attacker:
    """Linear discriminant on the whole logit vector, its covariance shrunk.

    Catches what the confidence cannot show: which wrong classes a model leans to. Blind to
    changes that leave the mean logits where they were. Costs some ten milliseconds an example.

    References
    ----------
    Ledoit and Wolf, "Honey, I shrunk the sample covariance matrix", Journal of Portfolio
    Management 30, 2004.
    """
    estimator = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    return Attacker(estimator, "logits")


def quadratic() -> Attacker:
    """Quadratic discriminant on the whole logit vector: `GaussianLikelihoodRatio` on all of it.

    Catches what `discriminant` is blind to: logits whose means agree and whose spread, or whose
    dependence on each other, does not. Scaling the logits at random, or mixing two methods over
    the runs, widens the confidence as retraining would, but not the logits' joint distribution.
    """
    return Attacker(GaussianLikelihoodRatio(), "logits")


def support_vector() -> Attacker:
    """Support vector machine with a Gaussian kernel on standardised logits.

    Catches regions of any form: the cone that logits scaled at random fill, clusters of runs.
    Costs a tenth of a second an example where the pools are alike, half that where they are not:
    the most expensive of the default panel.

    References
    ----------
    Cortes and Vapnik, "Support-vector networks", Machine Learning 20, 1995.
    """
    return Attacker(SVC(class_weight="balanced"), "logits")


def gradient_boosting() -> Attacker:
    """Gradient-boosted trees on the logit vector.

    Catches any dependence between logits, given enough models. Costs a second an example, and
    so is not in the default panel.
    """
    return Attacker(HistGradientBoostingClassifier(random_state=0), "logits")


def k_neighbors() -> Attacker:
    """Share of unlearned models among the 25 nearest in standardised logits.

    Catches clusters of runs, wherever they lie. Its scores have 26 values, so that few rules
    come of them. Costs some tens of milliseconds an example.
    """
    return Attacker(KNeighborsClassifier(n_neighbors=25), "logits")


def random_forest() -> Attacker:
    """A hundred trees on the logit vector, with five models a leaf or more.

    Catches what `gradient_boosting` catches, more roughly. Costs seconds an example.
    """
    return Attacker(RandomForestClassifier(min_samples_leaf=5, random_state=0), "logits")


# The names that a competition's file may use.
ATTACKERS = {
    page.__name__: page()
    for page in (
        confidence,
        gaussian,
        kernel,
        logistic,
        discriminant,
        quadratic,
        support_vector,
        gradient_boosting,
        k_neighbors,
        random_forest,
    )
}
DEFAULT_PANEL = (
    "confidence",
    "gaussian",
    "kernel",
    "logistic",
    "discriminant",
    "quadratic",
    "support_vector",
)


def panel(
    chosen: Sequence[Any] | Mapping[str, Mapping[str, Any] | Attacker] | None, logits: bool
) -> dict[str, Attacker]:
    """The attackers that were asked for and can see what there is.

    Parameters
    ----------
    chosen : sequence of str or estimators, or mapping of str to parameters or Attacker, optional
        As in `forgetting_quality`.
    logits : bool
        Whether there are logits to see, or confidences alone.

    Raises
    ------
    ValueError
        If a name or a parameter is unknown, or if no attacker looks at the confidence.
    """
    chosen = chosen or DEFAULT_PANEL
    if not isinstance(chosen, Mapping):
        chosen = dict(_named(one) for one in chosen)
    attackers = {name: _attacker(name, what) for name, what in chosen.items()}
    if all(attacker.sees == "logits" for attacker in attackers.values()):
        raise ValueError(
            f"attackers = {list(attackers)} all look at logits; name one that looks at the "
            "confidence, such as 'gaussian': it is what the score is made from"
        )
    return {n: a for n, a in attackers.items() if logits or a.sees == "confidence"}


def _named(one: Any) -> tuple[str, Mapping[str, Any] | Attacker]:
    """A name of `ATTACKERS`, or an estimator that goes by the name of its class."""
    return (one, {}) if isinstance(one, str) else (type(one).__name__, Attacker(one))


def _attacker(name: str, what: Mapping[str, Any] | Attacker) -> Attacker:
    if isinstance(what, Attacker):
        return what
    others = {entry.name: entry for entry in entry_points(group="harness.attackers")}
    if name not in ATTACKERS and name not in others:
        raise ValueError(f"attackers: no {name!r}; known: {', '.join(ATTACKERS | others)}")
    attacker = ATTACKERS[name] if name in ATTACKERS else others[name].load()
    try:
        return attacker._replace(estimator=clone(attacker.estimator).set_params(**what))
    except ValueError as error:
        raise ValueError(f"attackers: {name}: {error}") from None
