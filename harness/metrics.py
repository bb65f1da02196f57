"""Figures beside the score, one function each: what the field reports about the same runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri, rel_entr
from scipy.stats import ks_2samp, mannwhitneyu
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

from harness.epsilon import confidences, neurips2023
from harness.epsilon.estimation import ForgettingQuality
from harness.epsilon.lower_bound import epsilon_lower_bound
from harness.epsilon.validation import check_models, check_pair
from harness.pool import Pool

__all__ = [
    "epsilon_lower_bound",
    "epsilon_quantiles",
    "figures",
    "gaussian_dp_mu",
    "klom",
    "ks_distance",
    "membership_inference_accuracy",
    "per_example",
]

_BINS, _LARGEST_MARGIN, _LEAST_SHARE = 20, 100.0, 1e-5
_SPLITS = 10
_ATTACKED_MODELS = 8
_ACCURACIES = ("retain", "forget", "validation", "test")


def epsilon_quantiles(epsilons: np.ndarray) -> tuple[float, float]:
    """Median and 90th percentile of the examples' epsilons [F], in nats.

    The mean of the points hides how exposed the worst examples are; the percentile does not.
    """
    median, p90 = np.quantile(epsilons, [0.5, 0.9])
    return float(median), float(p90)


def klom(unlearned: np.ndarray, retrained: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of the unlearned models' margins from the retrained models'.

    ``sum p log(p / max(q, 1e-5))`` over 20 equal bins between the least and the largest margin of
    both pools, p and q the shares of the unlearned and of the retrained models in a bin, margins
    clipped to ±100. An example whose pools do not overlap at all has about 11.5.

    Parameters
    ----------
    unlearned : array [N_u, F], float32 or float64
    retrained : array [N_r, F], float32 or float64
        Confidences, which are the margins of the paper.

    Returns
    -------
    ndarray [F]
        In nats; 0 where the histograms agree.

    Raises
    ------
    ValueError
        As `harness.forgetting_quality`.

    References
    ----------
    Georgiev et al., "Attribute-to-Delete: machine unlearning via datamodel matching", 2024,
    section 2 and appendix E.1 (KLOM); bins, bounds and floor as in EasyDUB, the code that its
    authors published with "Easy Data Unlearning Bench", 2026. They also divide the shares by their
    sum after the floor, which changes 2e-4 at most. The largest margin counts here, in the last
    bin; their `digitize` leaves it out.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained)

    def divergence(u: np.ndarray, r: np.ndarray) -> float:
        edges = np.histogram_bin_edges(np.concatenate([u, r]), _BINS)
        p, q = (np.histogram(sample, edges)[0] / len(sample) for sample in (u, r))
        return float(rel_entr(p, np.maximum(q, _LEAST_SHARE)).sum())

    pools = (
        np.clip(pool.astype(float), -_LARGEST_MARGIN, _LARGEST_MARGIN)
        for pool in (unlearned, retrained)
    )
    return np.array([divergence(u, r) for u, r in zip(*(pool.T for pool in pools), strict=True)])


def ks_distance(unlearned: np.ndarray, retrained: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance (Smirnov 1939): the largest gap of the distribution functions.

    Parameters
    ----------
    unlearned : array [N_u, F], float32 or float64
    retrained : array [N_r, F], float32 or float64
        Confidences.

    Returns
    -------
    ndarray [F]
        From 0 to 1; the best threshold attack's true minus false positive rate.

    Raises
    ------
    ValueError
        As `harness.forgetting_quality`.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained)
    return ks_2samp(unlearned, retrained, axis=0, method="asymp").statistic


def gaussian_dp_mu(unlearned: np.ndarray, retrained: np.ndarray) -> np.ndarray:
    """Distance of two unit Gaussians that are as hard to tell apart, by the ROC area.

    ``mu = √2 Φ⁻¹(area)``, for the area or its complement, whichever is larger. Perfect separation
    counts as half a pair in the wrong order, so that it is finite.

    Parameters
    ----------
    unlearned : array [N_u, F], float32 or float64
    retrained : array [N_r, F], float32 or float64
        Confidences.

    Returns
    -------
    ndarray [F]
        In standard deviations, at least 0.

    Raises
    ------
    ValueError
        As `harness.forgetting_quality`.

    References
    ----------
    Dong, Roth and Su, "Gaussian differential privacy", JRSS B 84, 2022, section 2: mu-GDP.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained)
    pairs = len(unlearned) * len(retrained)
    area = mannwhitneyu(unlearned, retrained, axis=0, method="asymptotic").statistic / pairs
    return np.sqrt(2) * ndtri(np.minimum(np.maximum(area, 1 - area), 1 - 0.5 / pairs))


def membership_inference_accuracy(forget_losses: np.ndarray, test_losses: np.ndarray) -> float:
    """How well a logistic regression tells forget from test examples by a model's loss.

    Mean over 10 shuffled splits and over models. Of more than 8 models, 8 are attacked that are
    evenly spread in their mean forget loss. Both classes weigh the same whatever their sizes.

    Parameters
    ----------
    forget_losses : array [N, F], float32 or float64
    test_losses : array [N, T], float32 or float64
        Cross entropies, in nats, of N models; F and T at least 10.

    Returns
    -------
    float
        0.5 for models that treat the forget set like data they never saw. Below 0.5 the attack
        is wrong more often than right, which gives the forget set away just as well.

    Raises
    ------
    ValueError
        If an array is not finite, or too small.

    References
    ----------
    The attack of the NeurIPS 2023 Machine Unlearning Challenge's starting kit, which draws as many
    test examples as there are forget ones.
    """
    forget_losses, test_losses = np.asarray(forget_losses), np.asarray(test_losses)
    for name, losses in (("forget_losses", forget_losses), ("test_losses", test_losses)):
        check_models(name, losses, ndim=(2,), models=1)
    order = np.argsort(forget_losses.mean(axis=1), kind="stable")
    spread = np.linspace(0, len(order) - 1, min(_ATTACKED_MODELS, len(order))).round().astype(int)
    is_forgotten = np.repeat([True, False], [forget_losses.shape[1], test_losses.shape[1]])
    accuracies = [
        cross_val_score(
            LogisticRegression(class_weight="balanced"),
            np.concatenate([np.sort(forget_losses[model]), np.sort(test_losses[model])])[:, None],
            is_forgotten,
            cv=StratifiedShuffleSplit(_SPLITS, random_state=0),
            scoring="balanced_accuracy",
        ).mean()
        for model in order[spread]
    ]
    return float(np.mean(accuracies))


def figures(
    unlearned: Pool,
    retrained: Pool,
    labels: np.ndarray,
    epsilons: np.ndarray,
    delta: float = 1e-5,
    seconds_per_run: float | None = None,
    seconds_per_retraining: float | None = None,
) -> dict[str, float | None]:
    """Every figure of a submission beside its score.

    Parameters
    ----------
    unlearned, retrained : Pool
    labels : array [F] of int
        Classes of the forget examples.
    epsilons : array [F]
        The examples' epsilons, as the score found them.
    delta : float
    seconds_per_run, seconds_per_retraining : float, optional

    Returns
    -------
    dict of str to float
        Figures of examples are medians over the examples; KLOM is a mean, as in its paper. The
        retrain fraction is None if no time was given, membership inference if no losses were.

    Raises
    ------
    ValueError
        If a pool is not finite, or does not fit the other.
    """
    phi_u = confidences(unlearned.forget_logits, labels)
    phi_r = confidences(retrained.forget_logits, labels)
    official = neurips2023.epsilons(phi_u, phi_r, delta)
    quality = neurips2023.forgetting_quality(official, len(unlearned))
    means = {
        name: {k: float(getattr(pool, f"{k}_accuracy").mean()) for k in _ACCURACIES}
        for name, pool in (("unlearned", unlearned), ("retrained", retrained))
    }
    median, p90 = epsilon_quantiles(epsilons)
    return {
        "neurips2023_forgetting_quality": quality,
        "neurips2023_score": quality
        * _ratio(means["unlearned"]["retain"], means["retrained"]["retain"])
        * _ratio(means["unlearned"]["test"], means["retrained"]["test"]),
        "epsilon_median": median,
        "epsilon_p90": p90,
        "epsilon_lower_bound_median": float(np.median(epsilon_lower_bound(phi_u, phi_r, delta))),
        "klom": float(klom(phi_u, phi_r).mean()),
        "ks_distance": float(np.median(ks_distance(phi_u, phi_r))),
        "gaussian_dp_mu": float(np.median(gaussian_dp_mu(phi_u, phi_r))),
        "membership_inference_accuracy": _attacked(phi_u, unlearned.test_losses),
        "retrained_membership_inference_accuracy": _attacked(phi_r, retrained.test_losses),
        **{f"{k}_accuracy": value for k, value in means["unlearned"].items()},
        **{f"retrained_{k}_accuracy": value for k, value in means["retrained"].items()},
        "seconds_per_run": seconds_per_run,
        "retrain_fraction": (
            seconds_per_run / seconds_per_retraining
            if seconds_per_run is not None and seconds_per_retraining
            else None
        ),
    }


def per_example(
    unlearned: Pool,
    retrained: Pool,
    labels: np.ndarray,
    quality: ForgettingQuality,
) -> dict[str, Any]:
    """Columns of a table with one row per forget example.

    Parameters
    ----------
    unlearned, retrained : Pool
    labels : array [F] of int
    quality : ForgettingQuality

    Returns
    -------
    dict of str to column [F]
        The attackers include those of the strict adversary. Spreads are interquartile ranges.
        They and the medians are in nats.
    """
    phi = {
        "unlearned": confidences(unlearned.forget_logits, labels),
        "retrained": confidences(retrained.forget_logits, labels),
    }
    found = (quality.strict or quality).by_attacker
    columns: dict[str, Any] = {
        "label": labels,
        "epsilon": quality.epsilons,
        "attacker": [rule.attacker for rule in quality.by_attacker.rules],
        "view": [rule.view for rule in quality.by_attacker.rules],
        "rule": [str(rule) for rule in quality.by_attacker.rules],
    } | {f"epsilon_{name}_{view}": e for (name, view), e in found.epsilons.items()}
    for name, values in phi.items():
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        columns |= {f"{name}_median": median, f"{name}_spread": high - low}
    return columns | {
        "klom": klom(phi["unlearned"], phi["retrained"]),
        "ks_distance": ks_distance(phi["unlearned"], phi["retrained"]),
    }


def _attacked(phi: np.ndarray, test_losses: np.ndarray) -> float | None:
    """Membership inference by cross entropies, ``−log p = log(1 + exp(−phi))``, where known."""
    if not test_losses.size:
        return None
    return membership_inference_accuracy(np.logaddexp(0, -phi), test_losses)


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else 1.0
