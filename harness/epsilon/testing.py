"""What every attacker must keep to, the user's own included: checks that a test can call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.epsilon.attackers import Attacker
from harness.epsilon.bounds import cut_tables, error_bounds
from harness.epsilon.crossfit import Models
from harness.epsilon.panel import best_cut

_MODELS, _COLUMNS, _REPETITIONS, _SLACK = 128, 4, 4, 0.2
# How the unlearned models differ from retrained ones: shift of a column, factor on the spread.
CASES = {"shifted": (1.5, 1.0), "too narrow": (0.0, 0.3), "too wide": (0.0, 3.0)}
Replacement = Callable[[np.ndarray], np.ndarray]
# What a few models are replaced by, at any finite size that float32 can hold.
_WILD: dict[str, Replacement] = {
    "huge": lambda models: np.full_like(models, 1e30),
    "huge, of either sign": lambda models: (
        1e30 * np.where(np.indices(models.shape).sum(0) % 2, 1, -1)
    ),
    "minute": lambda models: np.full_like(models, 1e-42),
    "ten times as large": lambda models: 10 * models,
    "six deviations off": lambda models: np.full_like(models, -6.0),
}


def check_attacker(attacker: Attacker) -> None:
    """Refuse an attacker that a few models can blind, or that depends on the models' order.

    The breakdown invariant: replacing one in 64 of the unlearned models by whatever is finite
    lowers epsilon by no more than as many errors of the best rule would. It is checked on
    average over random pools, since each fit has its noise, with 0.2 nats of slack.

    Parameters
    ----------
    attacker : Attacker

    Raises
    ------
    AssertionError
        Naming the pools, the replacement, and the epsilons.
    """
    for case in CASES:
        check_breakdown(attacker, case, _WILD)
    rng = np.random.default_rng(0)
    columns = _columns(attacker)
    pools = rng.normal(size=(2, _MODELS, columns))
    scores = Models(*pools).scores(attacker)
    order = rng.permutation(_MODELS)
    shuffled = Models(pools[0][order], pools[1]).scores(attacker)
    np.testing.assert_allclose(shuffled[:_MODELS], scores[:_MODELS][order], atol=1e-9)
    same = Models(np.ones((_MODELS, columns)), np.ones((_MODELS, columns))).scores(attacker)
    assert np.isfinite(same).all(), "constant models must be scored, and all alike"


def check_breakdown(attacker: Attacker, case: str, replacements: Mapping[str, Replacement]) -> None:
    """Refuse an attacker whose epsilon two wild models of 128 lower by more than two errors would.

    Parameters
    ----------
    attacker : Attacker
    case : {"shifted", "too narrow", "too wide"}
        How unlearned models differ from retrained ones.
    replacements : mapping of str to callable
        From two models [2, columns] to what takes their place; columns is 1 for an attacker who
        sees the confidence, 4 for one who sees logits.

    Raises
    ------
    AssertionError
    """
    wild = slice(None, None, _MODELS // 2)
    pools = _pools(case, _columns(attacker))
    least = np.mean([_epsilon(attacker, *pair)[1] for pair in pools]) - _SLACK
    for how, replacement in replacements.items():
        found = []
        for unlearned, retrained in pools:
            altered = unlearned.copy()
            altered[wild] = replacement(altered[wild])
            found.append(_epsilon(attacker, altered, retrained)[0])
        assert np.mean(found) >= least, (
            f"pools {case}, two of {_MODELS} models {how}: epsilon {np.mean(found):.2f}, where "
            f"{least:.2f} is the least that two errors explain"
        )


def _columns(attacker: Attacker) -> int:
    return 1 if attacker.sees == "confidence" else _COLUMNS


def _pools(case: str, columns: int) -> np.ndarray:
    """Pairs of pools, the unlearned one first."""
    shift, spread = CASES[case]
    pools = np.random.default_rng(0).normal(size=(_REPETITIONS, 2, _MODELS, columns))
    pools[:, 0] *= spread
    pools[:, 0, :, 0] += shift
    return pools


def _epsilon(
    attacker: Attacker, unlearned: np.ndarray, retrained: np.ndarray
) -> tuple[float, float]:
    """Epsilon of the best rule, and what two more errors among the unlearned leave of it."""
    tables = cut_tables(_MODELS, _MODELS, 1e-5)
    order = best_cut(("", "raw"), Models(unlearned, retrained).scores(attacker), _MODELS, tables)
    missed = round(order.rule.false_negative_rate * _MODELS)
    alarms = round(order.rule.false_positive_rate * _MODELS)
    bounds = error_bounds(_MODELS)
    fnr, fpr = bounds[min(missed + 2, _MODELS)], bounds[alarms]
    return order.epsilon, max(0.0, np.log((1 - fpr) / fnr), np.log(max(1 - fnr, 1e-9) / fpr))
