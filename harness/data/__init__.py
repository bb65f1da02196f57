"""Datasets by name, and a competition's examples: read, checked and divided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

import numpy as np

from harness.competition import CompetitionError, Splits
from harness.data.casia_surf import casia_surf
from harness.data.cifar10 import cifar10
from harness.data.columns import Columns, check, checksum
from harness.data.digits import digits
from harness.data.fashion_mnist import fashion_mnist
from harness.data.image_folder import image_folder
from harness.data.splits import members, trainable
from harness.data.synthetic_faces import synthetic_faces
from harness.epsilon.calibration import LEAST_IMAGES
from harness.tables import bind

__all__ = ["Columns", "bind", "check", "checksum", "trainable"]

# Each returns `image`, `label` and `image_id`; perhaps `person_id` and `age`; and perhaps `part`,
# which says how its publishers divided it.
DATASETS: dict[str, Callable[..., Columns]] = {
    "casia_surf": casia_surf,
    "cifar10": cifar10,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "image_folder": image_folder,
    "synthetic_faces": synthetic_faces,
}


@dataclass(frozen=True)
class Data:
    """A competition's examples, divided.

    Attributes
    ----------
    retain, forget, validation, test : dict of ndarray
        `image` [n, channels, height, width] float32, `label` [n] int64, `image_id` [n] int64,
        and what else the dataset has, one row per example.
    classes : int
        Number of classes.
    checksum : str
        SHA-256 of the whole dataset, and of the forget set if the splits alone do not fix it.
    """

    retain: Columns
    forget: Columns
    validation: Columns
    test: Columns
    classes: int
    checksum: str

    @property
    def train(self) -> Columns:
        """Retain and forget set together: the original model's training set."""
        return {
            name: np.concatenate([self.retain[name], self.forget[name]]) for name in self.retain
        }


def load(dataset: str, splits: Splits, arguments: Mapping[str, Any] = MappingProxyType({})) -> Data:
    """Read a dataset and divide it; see `read` and `divide`."""
    return divide(read(dataset, arguments), splits)


def divide(columns: Columns, splits: Splits) -> Data:
    """Divide a dataset.

    Parameters
    ----------
    columns : dict of ndarray
        As `read` returns them; `memorisation` [n] too for a forget set of the most memorised.
    splits : Splits

    Raises
    ------
    CompetitionError
        If there are too few examples, a class has none, or the retain set lacks a class that is
        not the one to forget.
    """
    classes = check(columns)
    rows = members(columns, splits)
    if len(rows["forget"]) < 2:
        raise CompetitionError(
            f"the forget set has {len(rows['forget'])} example; two are needed, and some dozens "
            "to tell methods apart: make splits.forget larger"
        )
    if len(rows["validation"]) < LEAST_IMAGES:
        raise CompetitionError(
            f"there are {len(rows['validation'])} validation images; calibrating confidences "
            f"takes at least {LEAST_IMAGES}: raise splits.validation"
        )
    # Indices may come from a file, which can change; memorisation is an estimate.
    follows = splits.forget.kind not in ("indices", "memorised")
    shown = {name: column for name, column in columns.items() if name != "memorisation"}
    total = checksum(shown if follows else shown | {"forget": rows["forget"]})
    columns = {name: column for name, column in shown.items() if name != "part"}
    parts = {name: {k: v[own] for k, v in columns.items()} for name, own in rows.items()}
    lacking = set(range(classes)) - {splits.forget.label} - set(parts["retain"]["label"].tolist())
    if lacking:
        raise CompetitionError(
            f"the retain set has no example of class {min(lacking)}: a model retrained on it "
            "cannot know that class; choose a smaller forget set or a larger retain set"
        )
    return Data(**parts, classes=classes, checksum=total)


def read(dataset: str, arguments: Mapping[str, Any] = MappingProxyType({})) -> Columns:
    """Read a dataset.

    Parameters
    ----------
    dataset : str
        A name in `DATASETS`, or one that an installed package registers as an entry point of the
        group `harness.datasets`.
    arguments : mapping of str to value
        The dataset's own.

    Returns
    -------
    dict of ndarray
        One row per example.

    Raises
    ------
    CompetitionError
        If the dataset is unknown, missing or damaged, or does not take these arguments.
    """
    function = _found(dataset)
    try:
        bound = bind(function, arguments, "data")
    except ValueError as error:
        raise CompetitionError(str(error)) from None
    return function(**bound)


def _found(dataset: str) -> Callable[..., Columns]:
    """The function of a dataset: one of ours, or one from any installed package."""
    if dataset in DATASETS:
        return DATASETS[dataset]
    others = {entry.name: entry for entry in entry_points(group="harness.datasets")}
    if dataset not in others:
        known = [*DATASETS, *sorted(others)]
        near = "".join(f" did you mean {name!r}?" for name in get_close_matches(dataset, known, 1))
        raise CompetitionError(f"no dataset {dataset!r};{near} there are: {', '.join(known)}")
    try:
        return others[dataset].load()
    except Exception as error:  # another package's import may raise anything
        raise CompetitionError(f"dataset {dataset!r} cannot be imported: {error}") from error
