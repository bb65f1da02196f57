"""A dataset is named columns, one row per example: their check and their checksum."""

from __future__ import annotations

import hashlib
from typing import Annotated

import numpy as np
from msgspec import Meta

from harness.competition import CompetitionError

Columns = dict[str, np.ndarray]
Positive = Annotated[int, Meta(ge=1)]  # a type for a dataset's arguments

# Values of the column `part`, which says how the dataset's publishers divided it.
TRAIN, VALIDATION, TEST = range(3)


def check(columns: Columns) -> int:
    """The number of classes.

    Raises
    ------
    CompetitionError
        If the columns' lengths differ, or a class has no image.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise CompetitionError(f"the data does not fit together: {shown}; get it again")
    images = np.bincount(columns["label"])
    if absent := np.flatnonzero(images == 0).tolist():
        raise CompetitionError(
            f"class {absent[0]} of 0 to {len(images) - 1} has no image; "
            "add some, or number the classes without a gap"
        )
    return len(images)


def checksum(columns: Columns) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, column in sorted(columns.items()):
        digest.update(f"{name} {column.dtype} {column.shape}".encode())
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
