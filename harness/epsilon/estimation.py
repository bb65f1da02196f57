"""Forgetting quality: the panel of attackers, every threshold counted, at 95 % confidence."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from harness.epsilon.attackers import Attacker, panel
from harness.epsilon.bounds import cut_tables
from harness.epsilon.calibration import Calibration
from harness.epsilon.panel import Example, Rule, Sight, look, sights
from harness.epsilon.resampling import interval, replicate
from harness.epsilon.validation import check_calibrations, check_labels, check_pair

# Five folds need two models each, of both pools.
MIN_MODELS = 10


@dataclass(frozen=True)
class ByAttacker:
    """What each attacker found.

    Attributes
    ----------
    epsilons : dict of (str, str) to ndarray [F]
        Epsilons, in nats, of each attacker and view. NaN where an attacker was not asked,
        because another had told all the models apart.
    rules : list of Rule
        The best attacker's best rule, for each example.
    """

    epsilons: dict[Sight, np.ndarray]
    rules: list[Rule]


@dataclass(frozen=True)
class ForgettingQuality:
    """How close unlearned models come to retrained ones, as far as the attackers can tell.

    Attributes
    ----------
    value : float
        Mean of ``2^(−2 epsilon)`` over the examples, in (0, 1].
    epsilons : ndarray [F]
        Largest over attackers and views, in nats.
    by_attacker : ByAttacker
    n_unlearned, n_retrained : int
        Models of each pool. Values of different sizes are not comparable.
    delta : float
    draws : ndarray [200]
        The value over random halves of the models.
    interval : (float, float)
        95 % interval of the value, from the draws.
    largest_epsilon : float
        That so many models can show: every one of them told apart.
    strict : ForgettingQuality or None
        The same for an adversary who sees all logits of the example besides; None where no
        attacker looks at them.
    """

    value: float
    epsilons: np.ndarray
    by_attacker: ByAttacker
    n_unlearned: int
    n_retrained: int
    delta: float
    draws: np.ndarray
    strict: ForgettingQuality | None = None

    @property
    def interval(self) -> tuple[float, float]:
        models = min(self.n_unlearned, self.n_retrained)
        return interval(self.value, replicate(self.value, self.draws, models))

    @property
    def largest_epsilon(self) -> float:
        return float(cut_tables(self.n_unlearned, self.n_retrained, self.delta).best.max())

    def to_dict(self) -> dict[str, Any]:
        """Everything, draws included, as JSON knows it."""
        return {
            "value": self.value,
            "epsilons": self.epsilons.tolist(),
            "by_attacker": [
                [*sight, epsilons.tolist()] for sight, epsilons in self.by_attacker.epsilons.items()
            ],
            "rules": [list(rule) for rule in self.by_attacker.rules],
            "n_unlearned": self.n_unlearned,
            "n_retrained": self.n_retrained,
            "delta": self.delta,
            "draws": self.draws.tolist(),
            "strict": self.strict and self.strict.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ForgettingQuality:
        """What `to_dict` described."""
        epsilons = {(name, view): np.array(e) for name, view, e in content["by_attacker"]}
        return cls(
            value=content["value"],
            epsilons=np.array(content["epsilons"]),
            by_attacker=ByAttacker(epsilons, [Rule(*rule) for rule in content["rules"]]),
            n_unlearned=content["n_unlearned"],
            n_retrained=content["n_retrained"],
            delta=content["delta"],
            draws=np.array(content["draws"]),
            strict=content["strict"] and cls.from_dict(content["strict"]),
        )


def forgetting_quality(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    labels: np.ndarray | None = None,
    attackers: Sequence[Any] | Mapping[str, Mapping[str, Any] | Attacker] | None = None,
    delta: float = 1e-5,
    calibrations: tuple[Calibration, Calibration] | None = None,
    n_jobs: int | None = None,
) -> ForgettingQuality:
    """Let attackers tell unlearned from retrained models, example by example.

    Each attacker gives each model one number, a learned one out of fold. Every threshold on it,
    in both directions, is a decision rule; its false positive and false negative rates are taken
    at their one-sided 95 % Clopper-Pearson bounds. The largest epsilon over rules, attackers and
    views is the example's, and earns ``2^(−2 epsilon)`` points.

    There are two adversaries. The one whose result this is sees the confidence in the label, and
    if calibrations are given the calibrated confidence as well. The other, `strict`, also sees
    all logits of the example.

    Parameters
    ----------
    unlearned : array [N_u, F] or [N_u, F, C], float32 or float64
        Confidences (see `confidences`) or logits of the unlearned models on F forget examples.
    retrained : array [N_r, F] or [N_r, F, C], float32 or float64
        The same of models that never saw the examples.
    labels : array [F] of int, optional
        Class of each example; needed with logits.
    attackers : sequence of str or estimators, or mapping of str to parameters or Attacker, optional
        Names in `ATTACKERS`, or scikit-learn classifiers of your own; a mapping can give each one
        parameters. The default panel if None or empty. With confidences alone, attackers that
        look at logits are left out.
    delta : float
        Failure probability of the (epsilon, delta) guarantee.
    calibrations : two Calibration, optional
        Of the unlearned and of the retrained models, see `calibration`; only with logits.
    n_jobs : int, optional
        Processes that the examples are spread over, -1 for one a core. If None, as many as
        `joblib.parallel_config` says around the call; one if it says nothing. The result does
        not depend on it.

    Returns
    -------
    ForgettingQuality

    Raises
    ------
    ValueError
        If an argument is not finite, float16, of fewer than 10 models or 2 examples, or does not
        fit the others; or if an attacker is unknown.

    Notes
    -----
    Memory beside the pools does not grow with the number of examples.

    References
    ----------
    Triantafillou et al., "Are we making progress in unlearning?", 2024, section 4, for epsilons
    of examples turned into points; Carlini et al., IEEE S&P 2022, for the attacks.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained, ndim=(2, 3), models=MIN_MODELS)
    if not 0 < delta < 1:
        raise ValueError(f"delta = {delta}: pass a probability between 0 and 1")
    has_logits = unlearned.ndim == 3
    if has_logits and labels is None:
        raise ValueError(
            f"labels is None, but unlearned, shape {list(unlearned.shape)}, are logits; pass the "
            f"classes of the {unlearned.shape[1]} examples, or confidences [N, F]"
        )
    if has_logits:
        check_labels(np.asarray(labels), *unlearned.shape[1:])
    if calibrations is not None:
        check_calibrations(calibrations, (unlearned, retrained))
    chosen = panel(attackers, has_logits)
    pairs = sights(chosen, calibrations is not None)
    # joblib takes the import of scikit-learn in a fresh process for a leak of memory.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    examples: list[Example] = Parallel(n_jobs=n_jobs)(
        delayed(look)(
            chosen,
            pairs,
            (unlearned[:, e], retrained[:, e]),
            int(labels[e]) if has_logits and labels is not None else None,
            calibrations,
            delta,
        )
        for e in range(unlearned.shape[1])
    )

    def quality(seen: int, strict: ForgettingQuality | None) -> ForgettingQuality:
        """What the adversary finds who has the first `seen` of the pairs."""
        best = [int(np.nanargmax(example.epsilons[:seen])) for example in examples]
        epsilons = np.array([e.epsilons[b] for e, b in zip(examples, best, strict=True)])
        return ForgettingQuality(
            value=float(_points(epsilons).mean()),
            epsilons=epsilons,
            by_attacker=ByAttacker(
                {
                    p: np.array([e.epsilons[i] for e in examples])
                    for i, p in enumerate(pairs[:seen])
                },
                [e.rules[b] for e, b in zip(examples, best, strict=True)],
            ),
            n_unlearned=len(unlearned),
            n_retrained=len(retrained),
            delta=delta,
            draws=np.mean([_points(e.draws[:seen].max(axis=0)) for e in examples], axis=0),
            strict=strict,
        )

    of_confidence = sum(view != "logits" for _, view in pairs)
    strict = quality(len(pairs), None) if of_confidence < len(pairs) else None
    return quality(of_confidence, strict)


def _points(epsilons: np.ndarray) -> np.ndarray:
    return np.exp2(-2.0 * epsilons)
