"""Refuses arrays that are not N models' outputs on F examples, and says what to pass instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.epsilon.calibration import Calibration


def check_models(name: str, values: np.ndarray, ndim: tuple[int, ...], models: int = 2) -> None:
    """Refuse what is not a finite floating-point array of at least `models` models.

    Parameters
    ----------
    name : str
        What the caller calls the argument.
    values : array
        One row a model.
    ndim : tuple of int
        The numbers of dimensions that are allowed.
    models : int
        The least number of models.

    Raises
    ------
    ValueError
        Naming the argument, its shape, and the fix.
    """
    shapes = {1: "[N]", 2: "[N, F]", 3: "[N, F, C]"}
    what = f"{name}, shape {list(values.shape)}"
    if values.ndim not in ndim:
        wanted = " or ".join(shapes[n] for n in ndim)
        raise ValueError(f"{what}: pass {wanted}, one row a model")
    check_precision(name, values)
    if len(values) < models:
        raise ValueError(
            f"{what}: {len(values)} models are too few to estimate error rates from; "
            f"pass at least {models}"
        )
    if values.ndim > 1 and values.shape[1] < 2:
        raise ValueError(
            f"{what}: {values.shape[1]} forget examples say nothing of a forget set; "
            "pass at least 2, one column an example"
        )


def check_precision(name: str, values: np.ndarray) -> None:
    """Refuse what is not finite float32 or float64."""
    what = f"{name}, shape {list(values.shape)}"
    if values.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"{what}: {values.dtype} rounds differences between models away; pass float32 or "
            "float64, computed at that precision"
        )
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(f"{what}: {bad} values are NaN or infinite; leave those models out")


def check_pair(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    ndim: tuple[int, ...] = (2,),
    models: int = 2,
) -> None:
    """Refuse two pools that are not models' outputs on the same examples.

    Raises
    ------
    ValueError
        Naming the argument, its shape, and the fix.
    """
    check_models("unlearned", unlearned, ndim, models)
    check_models("retrained", retrained, ndim, models)
    if unlearned.shape[1:] != retrained.shape[1:]:
        raise ValueError(
            f"unlearned, shape {list(unlearned.shape)}, and retrained, shape "
            f"{list(retrained.shape)}, differ beyond the first axis; pass both pools' outputs "
            "on the same examples in the same order"
        )


def check_labels(labels: np.ndarray, examples: int, classes: int, name: str = "labels") -> None:
    """Refuse labels that are not one class number an example.

    Raises
    ------
    ValueError
        Naming the argument, its shape, and the fix.
    """
    what = f"{name}, shape {list(labels.shape)}"
    if labels.shape != (examples,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{what} and {labels.dtype}: pass one integer for each of the {examples} examples"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"{what}: they run from {labels.min()} to {labels.max()}; pass class numbers from 0 "
            f"to {classes - 1}, as the logits have {classes} columns"
        )


def check_calibrations(
    calibrations: tuple[Calibration, Calibration], pools: tuple[np.ndarray, np.ndarray]
) -> None:
    """Refuse calibrations that are not of the two pools' models and classes.

    Raises
    ------
    ValueError
        Naming the argument, its shape, and the fix.
    """
    for name, by, pool in zip(("unlearned", "retrained"), calibrations, pools, strict=True):
        what = f"calibration of {name}, class_means of shape {list(np.shape(by.class_means))}"
        if pool.ndim != 3:
            raise ValueError(f"{what}: a calibration needs logits [N, F, C], not confidences")
        wanted = (len(pool), pool.shape[2])
        if np.shape(by.class_means) != wanted or np.shape(by.scales) != wanted[:1]:
            raise ValueError(
                f"{what} and scales of shape {list(np.shape(by.scales))}: pass [N, C] = "
                f"{list(wanted)} and [N]"
            )
        if not (np.isfinite(by.class_means).all() and np.isfinite(by.scales).all()):
            raise ValueError(f"{what}: it is not finite; leave those models out")
