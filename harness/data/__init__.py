"""Datasets, and how a competition divides them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.competition import CompetitionError, Splits

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Data:
    """A competition's examples, divided.

    Attributes
    ----------
    retain, forget, validation, test : dict of ndarray
        `image` [n, channels, height, width] float32, `label` [n] int64, `image_id` [n] int64,
        and what else the dataset has, one row an example.
    classes : int
        Number of classes.
    checksum : str
        SHA-256 of the whole dataset.
    """

    retain: Columns
    forget: Columns
    validation: Columns
    test: Columns
    classes: int
    checksum: str

    @property
    def train(self) -> Columns:
        """Retain and forget set together: what the original model was trained on."""
        return {
            name: np.concatenate([self.retain[name], self.forget[name]]) for name in self.retain
        }


def digits() -> Columns:
    """The 1,797 handwritten digits of scikit-learn, as 1x8x8 images in [0, 1]."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {
        "image": (bunch.images[:, None] / 16).astype(np.float32),
        "label": bunch.target.astype(np.int64),
        "image_id": np.arange(len(bunch.target), dtype=np.int64),
    }


DATASETS: dict[str, Callable[[], Columns]] = {"digits": digits}


def load(dataset: str, splits: Splits) -> Data:
    """Read a dataset and divide it.

    Raises
    ------
    CompetitionError
        If the dataset is unknown, has too few examples, or the retain set lacks a class.
    """
    if dataset not in DATASETS:
        raise CompetitionError(f"no dataset {dataset!r}; there are: {', '.join(DATASETS)}")
    columns = DATASETS[dataset]()
    members = _members(len(columns["label"]), splits)
    parts = {name: {k: v[rows] for k, v in columns.items()} for name, rows in members.items()}
    classes = int(columns["label"].max()) + 1
    if lacking := sorted(set(range(classes)) - set(parts["retain"]["label"].tolist())):
        raise CompetitionError(
            f"the retain set has no example of class {lacking[0]}: a model retrained on it "
            "cannot know that class; choose a smaller forget set or a larger retain set"
        )
    return Data(**parts, classes=classes, checksum=_checksum(columns))


def _members(size: int, splits: Splits) -> dict[str, np.ndarray]:
    """The rows of each split: the forget block, and the others shuffled."""
    start, count = splits.forget.start, splits.forget.count
    needed = count + splits.retain + splits.validation
    if start + count > size or needed >= size:
        raise CompetitionError(
            f"the splits take {needed} examples, the forget block ends at {start + count}; "
            f"the dataset has {size}, and some have to be left for the test set"
        )
    forget = np.arange(start, start + count)
    others = np.random.default_rng(splits.seed).permutation(np.delete(np.arange(size), forget))
    retain, validation, test = np.split(others, [splits.retain, splits.retain + splits.validation])
    return {"retain": retain, "forget": forget, "validation": validation, "test": test}


def _checksum(columns: Columns) -> str:
    digest = hashlib.sha256()
    for name, column in sorted(columns.items()):
        digest.update(f"{name} {column.dtype} {column.shape}".encode())
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
