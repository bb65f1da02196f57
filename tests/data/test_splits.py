"""Splits are disjoint and complete, and bad ones are refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

from harness import competition, data
from harness.competition import CompetitionError, Forget, Splits
from harness.data.columns import TEST, TRAIN, VALIDATION
from harness.data.notices import tell
from harness.data.splits import members

DIGITS = competition.load("digits")
NAMES = ("retain", "forget", "validation", "test")


@pytest.fixture
def columns():
    """60 examples of 4 classes, five of each of 12 persons, the last 20 held out."""
    row = np.arange(60)
    part = np.repeat([TRAIN, VALIDATION, TEST], [40, 10, 10])
    image = row.reshape(60, 1, 1, 1).astype(np.float32)
    person = row // 5 + 100
    return {"image": image, "label": row % 4, "image_id": row, "person_id": person, "part": part}


def without(columns, *names):
    return {name: column for name, column in columns.items() if name not in names}


def split(columns, retain=0.5, validation=0.25, published=False, seed=0, **forget):
    if published:
        retain = validation = 0
    return members(columns, Splits(seed, Forget(**forget), retain, validation, published))


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
        (
            {"validation": 19},
            "there are 19 validation images; calibrating .* at least 20: raise",
        ),
        ({"validation": 0}, "there are 0 validation images; calibrating"),
        ({"retain": 1700}, "leave some for the test set"),
        ({"forget": Forget(start=1790, count=64)}, "the forget set ends at 1854, there are 1797"),
    ],
)
def test_splits_that_cannot_be_are_refused(change, complaint):
    with pytest.raises(CompetitionError, match=complaint):
        data.load("digits", replace(DIGITS.splits, **change))


def test_an_unknown_dataset_lists_the_known_ones():
    with pytest.raises(CompetitionError, match="there are: .*digits"):
        data.load("cifar", DIGITS.splits)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "data.size is missing"),
        ({"size": 8, "siz": 2}, "unknown key data.siz; did you mean size? known here: folder, si"),
        ({"size": 8.5}, "data.size: expected int, got float"),
        ({"size": True}, "data.size: expected int, got bool"),
        ({"size": 0}, "data.size: expected int >= 1"),
        ({"folder": ["x"], "size": 8}, "data.folder: expected str, got list"),
    ],
)
def test_what_a_dataset_does_not_take_is_refused(arguments, complaint):
    with pytest.raises(CompetitionError, match=re.escape(complaint)):
        data.load("image_folder", DIGITS.splits, {"folder": "x"} | arguments)


@pytest.mark.parametrize(
    "forget",
    [
        {"kind": "random", "share": 0.1},
        {"kind": "random", "count": 7},
        {"kind": "class", "label": 2},
        {"kind": "class", "label": 2, "count": 3},
        {"kind": "block", "start": 10, "count": 6},
        {"kind": "indices", "indices": (3, 50, 7)},
    ],
)
def test_without_identities_every_kind_divides_all_examples(columns, forget):
    plain = without(columns, "person_id")
    parts = split(plain, **forget)
    assert np.array_equal(np.sort(np.concatenate([*parts.values()])), np.arange(60))
    rest = 60 - len(parts["forget"])
    assert (len(parts["retain"]), len(parts["validation"])) == (round(rest / 2), round(rest / 4))
    assert all(np.array_equal(parts[n], again) for n, again in split(plain, **forget).items())


@pytest.mark.parametrize(
    ("forget", "size"),
    [({"share": 0.1}, 6), ({"count": 7}, 7)],
)
def test_a_random_forget_set_follows_the_seed(columns, forget, size):
    plain = without(columns, "person_id")
    rows = [split(plain, kind="random", seed=seed, **forget)["forget"] for seed in range(2)]
    assert [len(own) for own in rows] == [size, size]
    assert not np.array_equal(*rows)


def test_the_most_memorised_of_what_may_be_trained_on_are_forgotten(columns):
    plain = without(columns, "person_id") | {"memorisation": np.arange(60.0) * 37 % 60}
    everything = split(plain, kind="memorised", count=4)["forget"]
    assert set(everything) == {8, 21, 34, 47}
    training = split(plain, kind="memorised", share=0.1, published=True)["forget"]
    assert set(training) == set(np.argsort(-plain["memorisation"][:40])[:4])
    with pytest.raises(CompetitionError, match="nobody has measured"):
        split(without(plain, "memorisation"), kind="memorised", count=4)
    with pytest.raises(CompetitionError, match="ends at 61, there are 60"):
        split(plain, kind="memorised", count=61)


def test_what_is_memorised_counts_by_the_forget_set_alone():
    columns = data.read("digits")
    splits = replace(DIGITS.splits, forget=Forget("memorised", count=9))
    order = np.arange(1797.0)
    one, same, other = (
        data.divide(columns | {"memorisation": scores}, splits)
        for scores in (order, order**2, -order)
    )
    assert set(one.forget["image_id"]) == set(range(1788, 1797))
    assert "memorisation" not in one.retain
    assert one.checksum == same.checksum != other.checksum


def test_a_class_is_forgotten_whole_or_in_part(columns):
    plain = without(columns, "person_id")
    assert np.array_equal(split(plain, kind="class", label=2)["forget"], np.arange(2, 60, 4))
    some = split(plain, kind="class", label=2, share=0.4)["forget"]
    assert len(some) == 6
    assert set(plain["label"][some]) == {2}


def test_a_class_may_be_missing_from_retain_only_if_it_is_to_be_forgotten():
    loaded = data.load("digits", replace(DIGITS.splits, forget=Forget(kind="class", label=3)))
    assert set(loaded.forget["label"]) == {3}
    assert 3 not in loaded.retain["label"]
    assert loaded.classes == 10


def test_identities_are_in_one_split_each(columns):
    for seed in range(5):
        parts = split(columns, kind="identities", count=2, seed=seed)
        people = [set(columns["person_id"][parts[name]]) for name in NAMES]
        assert sum(map(len, people)) == len(set.union(*people)) == 12
        # Whole persons of five images until there are 25 and 12.
        assert [len(parts[name]) for name in NAMES] == [25, 10, 15, 10]


def test_identities_are_drawn_or_consecutive(columns):
    def people(**forget):
        return set(columns["person_id"][split(columns, kind="identities", **forget)["forget"]])

    assert people(start=3, count=2) == {103, 104}
    assert len(people(share=0.25)) == 3
    assert people(count=3, seed=1) != people(count=3, seed=2)


def test_the_published_split_is_kept_and_forgets_from_its_training_part(columns):
    parts = split(columns, published=True, kind="identities", share=0.25)
    assert np.array_equal(parts["validation"], np.arange(40, 50))
    assert np.array_equal(parts["test"], np.arange(50, 60))
    assert len(parts["forget"]) == 10
    assert np.array_equal(np.union1d(parts["forget"], parts["retain"]), np.arange(40))


def test_indices_come_from_a_file_too_and_its_content_counts(tmp_path):
    def load(indices):
        np.save(tmp_path / "forget_idx.npy", indices)
        forget = Forget(kind="indices", indices=str(tmp_path / "forget_idx.npy"))
        return data.load("digits", replace(DIGITS.splits, forget=forget))

    first, second = load(np.array([5, 900, 17])), load(np.array([5, 900, 18]))
    assert first.forget["image_id"].tolist() == [5, 17, 900]
    assert first.checksum != second.checksum


@pytest.mark.parametrize(
    ("forget", "complaint"),
    [
        ({"kind": "random", "share": 0.1}, "identity 1.. would be in the forget set and"),
        ({"kind": "class", "label": 2}, "identity 100 would be in the forget set and"),
        ({"kind": "class", "label": 9}, "no example has the label 9"),
        ({"kind": "random", "share": 0.001}, "share = 0.001 of 60 is less than one"),
        ({"kind": "identities", "count": 13}, "ends at 13, there are 12"),
        ({"kind": "indices", "indices": (0, 1, 1)}, "names an example twice"),
        ({"kind": "indices", "indices": (0, 60)}, "not among the 60"),
        ({"kind": "indices", "indices": (0, 1.5)}, "whole numbers"),
        ({"kind": "indices", "indices": "none.npy"}, "cannot read none.npy"),
        ({"kind": "identities", "count": 10}, "leave some for the test set"),
        ({"kind": "indices", "indices": (0, 1, 2), "published": True}, "identity 100 would be"),
        ({"kind": "indices", "indices": (0, 45), "published": True}, "not among the 40"),
    ],
)
def test_a_forget_set_that_cannot_be_is_refused(columns, forget, complaint):
    with pytest.raises(CompetitionError, match=complaint):
        split(columns, **forget)


def test_what_the_data_does_not_have_is_said(columns):
    with pytest.raises(CompetitionError, match="no identities to choose from"):
        split(without(columns, "person_id"), kind="identities", count=2)
    with pytest.raises(CompetitionError, match="publishers of this dataset did not divide it"):
        split(without(columns, "part"), published=True, kind="random", count=2)


def test_copies_of_an_image_stay_in_one_split(columns):
    plain = without(columns, "person_id", "part")
    plain["image"] = plain["image"] // 3  # three copies of each of 20 images
    for seed in range(5):
        parts = split(plain, kind="random", count=4, seed=seed)
        pictures = [set(plain["image"][rows].ravel()) for rows in parts.values()]
        assert sum(map(len, pictures)) == len(set.union(*pictures)) == 20
        assert len(parts["forget"]) % 3 == 0


def test_who_is_on_a_copy_is_forgotten_too_and_it_is_said(columns, caplog):
    tell.cache_clear()
    columns["image"][12] = columns["image"][33]  # persons 102 and 106
    for kind in ({"start": 2, "count": 1}, {"start": 6, "count": 1}):
        rows = split(columns, kind="identities", **kind)["forget"]
        assert set(columns["person_id"][rows]) == {102, 106}
    assert "the forget set gets 5 more images" in caplog.text


def test_copies_in_two_published_parts_stay_there_and_are_counted(columns, caplog):
    tell.cache_clear()
    columns["image"][[45, 55]] = columns["image"][3]
    parts = split(columns, published=True, kind="identities", start=5, count=1)
    assert 3 in parts["retain"]
    assert (45 in parts["validation"], 55 in parts["test"]) == (True, True)
    assert "2 images are copies of images in another of the published splits" in caplog.text
