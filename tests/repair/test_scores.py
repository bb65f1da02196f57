"""Who is blamed, how well that finds the flips, and how sure the mean over seeds is."""

import numpy as np
import pytest

from harness.repair.scores import blamed, detection, interval

SCORES = np.array([0.5, -1.0, 2.0, 0.5, -3.0, 1.0])


def test_the_k_highest_are_blamed_and_equal_ones_keep_their_order():
    assert blamed(SCORES, 4, signed=False).tolist() == [2, 5, 0, 3]


def test_signed_scores_blame_all_above_zero_but_at_most_half():
    assert blamed(SCORES - 0.7, 1, signed=True).tolist() == [2, 5]
    assert blamed(SCORES, 1, signed=True).tolist() == [2, 5, 0]
    assert blamed(-np.abs(SCORES), 1, signed=True).size == 0


def test_detection_of_a_perfect_and_of_the_opposite_order():
    flipped = np.array([True, False, True, False])
    perfect = detection(np.array([3.0, 1.0, 2.0, 0.0]), flipped, 2)
    assert perfect == {"precision_at_k": 1.0, "average_precision": 1.0, "roc_area": 1.0}
    opposite = detection(-np.array([3.0, 1.0, 2.0, 0.0]), flipped, 2)
    assert (opposite["precision_at_k"], opposite["roc_area"]) == (0.0, 0.0)
    assert opposite["average_precision"] == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    ends = np.array([interval(rng.normal(size=8)) for _ in range(2000)])
    assert 0.93 < ((ends[:, 1] < 0) & (ends[:, 2] > 0)).mean() < 0.97
