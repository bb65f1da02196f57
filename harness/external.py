"""The score of models that were made elsewhere: their outputs in, the figures of a row out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as BadCompression

import numpy as np

from harness import diagnostics, metrics, scoring
from harness.epsilon import METRIC_VERSION, Calibration, calibration
from harness.epsilon.attackers import Attacker
from harness.epsilon.calibration import LEAST_IMAGES
from harness.epsilon.estimation import MIN_MODELS
from harness.epsilon.validation import check_labels, check_models, check_precision
from harness.pool import Pool

Arrays = Mapping[str, np.ndarray]
SHAPES = {
    "logits": "NFC",
    "labels": "F",
    "retain_accuracy": "N",
    "validation_accuracy": "N",
    "test_accuracy": "N",
    "class_means": "NC",
    "logit_scale": "N",
    "validation_logits": "NVC",
    "test_losses": "NT",
}
_STATISTICS = ("class_means", "logit_scale")  # which follow from the validation logits
_OPTIONAL = (*_STATISTICS, "validation_logits", "test_losses")
_ATTACKED = 10  # test examples that a membership attack needs
_CENTRED = 1e-3  # of the logit scale, that the mean of a model's class means may be off zero


def score(
    unlearned: Arrays,
    retrained: Arrays,
    second: Arrays,
    attackers: Sequence[Any] | Mapping[str, Mapping[str, Any] | Attacker] | None = None,
    delta: float = 1e-5,
    n_jobs: int | None = None,
) -> dict[str, Any]:
    """Score unlearned models by arrays of their outputs, without running anything.

    Parameters
    ----------
    unlearned : mapping of str to array
        Outputs of N >= 10 unlearned models, by these names, or an open `.npz` file of them:

        - `logits` [N, F, C], float32 or float64, of the F forget examples;
        - `labels` [F] of int, their classes, the same in all three;
        - `retain_accuracy`, `validation_accuracy`, `test_accuracy` [N], fractions from 0 to 1;
        - `validation_logits` [N, V, C], V >= 20, or what follows from them: `class_means` [N, C]
          and `logit_scale` [N], see `harness.epsilon.calibration`;
        - `test_losses` [N, T], optional: cross entropies, in nats, of T >= 10 test examples,
          for the membership attack.
    retrained : mapping of str to array
        The same of models that were trained on the retain set alone, as many as you have.
    second : mapping of str to array
        The same of N more of those, which sets the ceiling.
    attackers, delta, n_jobs
        As in `harness.forgetting_quality`.

    Returns
    -------
    dict
        The figures of a leaderboard's row, by its names; scores of other N, other examples or
        another reference are not comparable.

    Raises
    ------
    ValueError
        If an array is missing, is not finite, or does not fit the others.
    """
    given = {"unlearned": unlearned, "retrained": retrained, "second": second}
    pools, labels = {}, {}
    for role, arrays in given.items():
        pools[role], labels[role] = checked(role, arrays)
    _check_together(pools, labels)
    ours, reference, classes = pools["unlearned"], pools["retrained"], labels["unlearned"]
    options = (classes, attackers, delta, n_jobs)
    ceiling = scoring.quality(pools["second"], reference, *options)
    found = scoring.score(ours, reference, ceiling, *options)
    beside: dict[str, Any] = metrics.figures(
        ours, reference, classes, found.quality.epsilons, delta
    )
    flags = diagnostics.flags(
        ours, reference, classes, found.value, beside["neurips2023_score"], found.utility
    )
    return {
        **found.figures(),
        **{name: value for name, value in beside.items() if value is not None},
        "runs": len(ours),
        "metric_version": METRIC_VERSION,
        "flags": " ".join(flag.name for flag in flags),
        "explanations": {flag.name: flag.explanation for flag in flags},
    }


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file that `score` knows.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name in SHAPES}
    except (ValueError, EOFError, AttributeError, TypeError, BadZipFile, BadCompression) as error:
        raise ValueError(f"{path} is not an .npz of plain arrays, or is damaged: {error}") from None


def checked(role: str, arrays: Arrays) -> tuple[Pool, np.ndarray]:
    """The outputs as scoring sees them, and the labels; errors as of `score`."""
    given = {name: np.asarray(arrays[name]) for name in SHAPES if name in arrays}
    _check_names(role, given)
    logits, labels = given["logits"], given["labels"]
    check_models(f"{role}: logits", logits, ndim=(3,), models=MIN_MODELS)
    if logits.shape[2] < 2:
        raise ValueError(f"{role}: logits, shape {list(logits.shape)}: pass two classes or more")
    sizes = dict(zip("NFC", logits.shape, strict=True))
    for name, values in given.items():
        _check_shape(f"{role}: {name}", values, SHAPES[name], sizes)
        if name == "labels":
            check_labels(values, sizes["F"], sizes["C"], f"{role}: labels")
        else:
            check_precision(f"{role}: {name}", values)
        if name.endswith("_accuracy"):
            _check_fractions(f"{role}: {name}", values)
    if "test_losses" in given and given["test_losses"].shape[1] < _ATTACKED:
        raise ValueError(
            f"{role}: test_losses, shape {list(given['test_losses'].shape)}: pass {_ATTACKED} "
            "test examples or more, or leave it out"
        )
    if "validation_logits" in given:
        _check_images(role, given["validation_logits"])
        statistics = calibration(given["validation_logits"])
    else:
        statistics = Calibration(given["class_means"], given["logit_scale"])
        _check_statistics(role, statistics)
    pool = Pool(
        forget_logits=logits,
        test_losses=given.get("test_losses", np.empty((len(logits), 0))),
        retain_accuracy=given["retain_accuracy"],
        forget_accuracy=(logits.argmax(axis=-1) == labels).mean(axis=1),
        validation_accuracy=given["validation_accuracy"],
        test_accuracy=given["test_accuracy"],
        class_means=statistics.class_means,
        logit_scale=statistics.scales,
    )
    return pool, labels


def _check_names(role: str, given: Arrays) -> None:
    missing = [name for name in SHAPES if name not in given and name not in _OPTIONAL]
    statistics = [name for name in _STATISTICS if name in given]
    if "validation_logits" in given and statistics:
        raise ValueError(
            f"{role}: validation_logits and {' and '.join(statistics)}: pass the logits alone, "
            "the others follow from them"
        )
    if "validation_logits" not in given:
        lacking = [name for name in _STATISTICS if name not in statistics]
        missing += lacking if statistics else ["validation_logits"]
    if missing:
        wanted = ", ".join(f"{name} [{', '.join(SHAPES[name])}]" for name in missing)
        raise ValueError(f"{role}: no array {wanted}; there are: {', '.join(given) or 'none'}")


def _check_shape(what: str, values: np.ndarray, letters: str, sizes: Mapping[str, int]) -> None:
    known = [sizes.get(letter) for letter in letters]
    fits = values.ndim == len(letters) and all(
        size in (None, length) for size, length in zip(known, values.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(sizes.get(letter, letter)) for letter in letters)
        raise ValueError(
            f"{what}, shape {list(values.shape)}: pass [{', '.join(letters)}] = [{wanted}], "
            "as the logits have it"
        )
    if not values.size:
        raise ValueError(f"{what}, shape {list(values.shape)}: it is empty")


def _check_fractions(what: str, values: np.ndarray) -> None:
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{what}, shape {list(values.shape)}: runs from {values.min():g} to "
            f"{values.max():g}; pass fractions from 0 to 1"
        )


def _check_images(role: str, logits: np.ndarray) -> None:
    if logits.shape[1] < LEAST_IMAGES:
        raise ValueError(
            f"{role}: validation_logits, shape {list(logits.shape)}: calibrating confidences takes "
            f"at least {LEAST_IMAGES} images; pass as many"
        )


def _check_statistics(role: str, statistics: Calibration) -> None:
    means, scales = statistics
    if scales.min() < 0:
        raise ValueError(
            f"{role}: logit_scale, shape {list(scales.shape)}: at least {scales.min():g}; a "
            "standard deviation is not negative"
        )
    if (np.abs(means.mean(axis=1)) > _CENTRED * np.maximum(scales, 1)).any():
        raise ValueError(
            f"{role}: class_means, shape {list(means.shape)}: a row's mean is not 0; take each "
            "image's mean over the classes off its logits first, or pass validation_logits"
        )


def _check_together(pools: Mapping[str, Pool], labels: Arrays) -> None:
    """Three pools on the same examples in the same order, the last of as many as the first."""
    ours, reference, second = pools.values()
    for role, pool in pools.items():
        shape = list(pool.forget_logits.shape)
        if shape[1:] != list(ours.forget_logits.shape[1:]):
            raise ValueError(
                f"{role}: logits, shape {shape}: unlearned has "
                f"{list(ours.forget_logits.shape)}; pass the same examples and classes"
            )
        wrong = np.flatnonzero(labels[role] != labels["unlearned"])
        if wrong.size:
            raise ValueError(
                f"{role}: labels, shape {list(labels[role].shape)}: {len(wrong)} differ from "
                f"unlearned, the first at {wrong[0]}; pass the same examples in the same order"
            )
    if len(second) != len(ours):
        raise ValueError(
            f"second: logits, shape {list(second.forget_logits.shape)}: unlearned has "
            f"{len(ours)} models; pass as many, since scores depend on the number"
        )
    known, others = (
        [sha256(model.tobytes()).digest() for model in pool.forget_logits]
        for pool in (reference, second)
    )
    if shared := sum(model in known for model in others):
        raise ValueError(
            f"second: logits, shape {list(second.forget_logits.shape)}: {shared} models are among "
            "the retrained; pass others, trained independently"
        )
