"""Image files, whatever their format and size, as one array."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from harness.competition import CompetitionError


def read_images(paths: Sequence[Path], size: int) -> np.ndarray:
    """The images in RGB, whether grey, RGBA or in colour, resized to a square.

    Returns
    -------
    ndarray [n, 3, size, size], float32
        In [0, 1].

    Raises
    ------
    CompetitionError
        If a file is no image, or is cut short.
    """
    with ThreadPoolExecutor() as threads:
        images = np.stack(list(threads.map(lambda path: _read(path, size), paths)))
    return images.transpose(0, 3, 1, 2) / np.float32(255)


def _read(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError) as error:
        raise CompetitionError(
            f"{path} is no image, or damaged ({error}); get it anew, or remove it"
        ) from None
