"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from harness.data.columns import Columns


def digits() -> Columns:
    """1,797 digits as 1x8x8 images in [0, 1]."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {
        "image": (bunch.images[:, None] / 16).astype(np.float32),
        "label": bunch.target.astype(np.int64),
        "image_id": np.arange(len(bunch.target), dtype=np.int64),
    }
