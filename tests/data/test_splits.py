"""Splits are disjoint and complete, and bad ones are refused."""

from dataclasses import replace

import numpy as np
import pytest

from harness import competition, data
from harness.competition import CompetitionError, Forget

DIGITS = competition.load("digits")


def test_the_splits_divide_the_digits():
    loaded = data.load("digits", DIGITS.splits)
    ids = [getattr(loaded, name)["image_id"] for name in ("retain", "forget", "validation", "test")]
    assert [len(i) for i in ids] == [850, 64, 300, 583]
    assert np.array_equal(np.sort(np.concatenate(ids)), np.arange(1797))
    assert loaded.forget["image"].shape == (64, 1, 8, 8)
    assert np.array_equal(loaded.forget["image_id"], np.arange(1560, 1624))
    assert loaded.train["label"].shape == (914,)


def test_the_same_seed_divides_alike():
    first, second = (data.load("digits", DIGITS.splits) for _ in range(2))
    other = data.load("digits", replace(DIGITS.splits, seed=1))
    assert np.array_equal(first.retain["image_id"], second.retain["image_id"])
    assert not np.array_equal(first.retain["image_id"], other.retain["image_id"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"retain": 5}, "no example of class"),
        ({"retain": 1700}, "left for the test set"),
        ({"forget": Forget(start=1790, count=64)}, "the forget block ends at 1854"),
    ],
)
def test_splits_that_cannot_be_are_refused(change, complaint):
    with pytest.raises(CompetitionError, match=complaint):
        data.load("digits", replace(DIGITS.splits, **change))


def test_an_unknown_dataset_lists_the_known_ones():
    with pytest.raises(CompetitionError, match="there are: digits"):
        data.load("cifar", DIGITS.splits)
