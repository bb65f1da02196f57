"""Logit-scaled confidences: how sure a model is of an example's label, on an unbounded scale."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from harness.epsilon.blocks import blocks
from harness.epsilon.validation import check_labels, check_precision

# The published scorer adds 1e-45 to both probabilities, so that its values end near here.
LIMIT = 103.6


def confidences(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logit of each example's labelled class against all the others together.

    ``phi = z_y − log(sum_{k≠y} exp(z_k)) = log(p_y / (1 − p_y))``, in nats, without the rounding
    of a softmax in between, clipped to ±103.6.

    Parameters
    ----------
    logits : array [..., F, C], float32 or float64
        Outputs on F examples and C >= 2 classes.
    labels : array [F] of int
        Class of each example.

    Returns
    -------
    ndarray [..., F], float64

    Raises
    ------
    ValueError
        If logits are not finite, float16, or of fewer than two classes, or if labels are not F
        class numbers.

    References
    ----------
    Carlini et al., "Membership inference attacks from first principles" (LiRA), IEEE S&P 2022,
    section IV-C.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim < 2 or logits.shape[-1] < 2:
        raise ValueError(
            f"logits, shape {list(logits.shape)}: pass [..., F, C] with at least two classes"
        )
    check_precision("logits", logits)
    check_labels(labels, *logits.shape[-2:])
    models = logits.reshape(-1, *logits.shape[-2:])
    found = np.concatenate([_confidences(part, labels) for part in blocks(models)])
    return found.reshape(logits.shape[:-1])


def _confidences(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`confidences` of logits [N, F, C] that have been checked."""
    others = logits.astype(np.float64)
    index = np.broadcast_to(labels[:, None], (*logits.shape[:-1], 1))
    of_label = np.take_along_axis(others, index, axis=-1)[..., 0]
    np.put_along_axis(others, index, -np.inf, axis=-1)
    return np.clip(of_label - logsumexp(others, axis=-1), -LIMIT, LIMIT)
