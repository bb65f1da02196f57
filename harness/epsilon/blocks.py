"""Cuts pools into blocks of models, so that no float64 copy of a large one is ever whole."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

VALUES = 1 << 22  # of a block: 32 MiB in float64


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive parts [n, ...] of an array [N, ...], in order, at least one.

    A pool of ordinary size is one block, so that its figures do not depend on the cutting.
    """
    models = max(1, VALUES // max(1, prod(values.shape[1:])))
    for first in range(0, max(1, len(values)), models):
        yield values[first : first + models]
