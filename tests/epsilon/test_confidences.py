"""Logit-scaled confidences against the softmax they stand for."""

import numpy as np
import pytest
from scipy.special import logit, softmax

from harness.epsilon import confidences


def test_is_the_logit_of_the_probability():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 5, 7)).astype(np.float32)
    labels = rng.integers(7, size=5)
    probabilities = softmax(logits.astype(float), axis=-1)[:, np.arange(5), labels]
    phi = confidences(logits, labels)
    assert phi.shape == (3, 5)
    assert phi.dtype == np.float64
    np.testing.assert_allclose(phi, logit(probabilities), rtol=1e-9, atol=1e-9)


def test_two_classes_differ_by_their_logits():
    assert confidences(np.array([[3.0, 1.0]]), np.array([1])) == pytest.approx([-2.0])


def test_saturates_where_the_published_scorer_does():
    phi = confidences(np.array([[1e30, 0.0], [0.0, 500.0]]), np.array([0, 0]))
    assert phi.tolist() == [103.6, -103.6]


def test_leaves_its_arguments_alone():
    logits = np.zeros((4, 3))
    confidences(logits, np.zeros(4, dtype=int))
    assert (logits == 0).all()


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(3), [0], r"logits, shape \[3\]: pass \[..., F, C\]"),
        (np.zeros((2, 1)), [0, 0], r"logits, shape \[2, 1\].*two classes"),
        (np.zeros((2, 3), np.float16), [0, 0], r"logits, shape \[2, 3\]: float16.*float32"),
        (np.zeros((2, 3), int), [0, 0], r"logits, shape \[2, 3\]: int64"),
        (np.array([[np.nan, 0], [np.inf, 0]]), [0, 0], r"logits, shape \[2, 2\]: 2 values are NaN"),
        (np.zeros((2, 3)), [0], r"labels, shape \[1\].*each of the 2 examples"),
        (np.zeros((2, 3)), [0.0, 1.0], r"labels, shape \[2\] and float64.*integer"),
        (np.zeros((2, 3)), [0, 3], r"labels, shape \[2\]: they run from 0 to 3.*0 to 2"),
        (np.zeros((2, 3)), [-1, 0], r"labels, shape \[2\]: they run from -1"),
    ],
)
def test_refuses_what_is_no_logits_or_labels(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        confidences(logits, np.array(labels))
