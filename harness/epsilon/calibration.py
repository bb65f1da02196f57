"""What offsets and temperatures of a model's logits do not change: logits set against its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.epsilon.blocks import blocks

# Calibrated logits have this standard deviation over the validation images: about that of a
# small trained network, so that both views of the confidence have a similar range.
_SCALE = 3.0
LEAST_IMAGES = 20  # of the validation set, that class means and scale are estimated from


class Calibration(NamedTuple):
    """Logits of N models on the validation images, summed up.

    Attributes
    ----------
    class_means : ndarray [N, C], float64
        Mean logit of each class over the images, after each image's mean over the classes was
        taken off.
    scales : ndarray [N], float64
        Standard deviation around these means, over images and classes.
    """

    class_means: np.ndarray
    scales: np.ndarray


def calibration(logits: np.ndarray) -> Calibration:
    """Sum up the logits [N, V, C] of N models on V validation images."""
    # What is not finite is refused by who scores.
    with np.errstate(invalid="ignore", over="ignore"):
        parts = zip(*(_summary(part) for part in blocks(logits)), strict=True)
        return Calibration(*(np.concatenate(part) for part in parts))


def calibrated(logits: np.ndarray, by: Calibration) -> np.ndarray:
    """Logits on the scale that the model itself has on validation images.

    ``z' = 3 (z − m_c) / s``: whoever may query a model on images of their own can estimate its
    class means m_c and its scale s, and so undo an offset or a temperature that the model was
    given to hide behind.

    Parameters
    ----------
    logits : array [N, ..., C]
        Of the same N models, on any images.
    by : Calibration

    Returns
    -------
    ndarray [N, ..., C], float64
    """
    shape = (len(logits), *[1] * (logits.ndim - 2), -1)
    scales = np.where(by.scales > 0, by.scales, 1.0)  # 0: the same answer whatever the image
    off = _centred(logits) - by.class_means.reshape(shape)
    return _SCALE * off / scales.reshape(shape)


def _summary(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class means and scales of some of the models."""
    centred = _centred(logits)
    means = centred.mean(axis=1)
    return means, np.sqrt(np.square(centred - means[:, None]).mean(axis=(1, 2)))


def _centred(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    return wide - wide.mean(axis=-1, keepdims=True)
