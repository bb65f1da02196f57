"""CASIA-SURF is read from its own tree, and divided as published or with persons kept apart."""

import random
from dataclasses import replace

import numpy as np
import pytest

from harness import competition, data
from harness.competition import CompetitionError
from harness.data.casia_surf import casia_surf
from tests.data.files import save_image, write_casia_surf

SPLITS = ("retain", "forget", "validation", "test")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("casia")
    write_casia_surf(folder)
    return folder


def persons(loaded, *names):
    return set(np.concatenate([getattr(loaded, name)["person_id"] for name in names]).tolist())


def test_each_face_has_its_person_and_age_group(tree):
    columns = casia_surf(str(tree))
    assert columns["image"].shape == (240, 3, 32, 32)
    assert 0 <= columns["image"].min() < 0.3 < 0.7 < columns["image"].max() <= 1
    assert np.array_equal(columns["age"], 20 + 5 * (columns["person_id"] % 10))
    # Ten groups of 4.6 years from 20 up to and without 66, so that each age here has its own.
    assert np.array_equal(columns["label"], (columns["age"] - 20) // 5)


def test_the_published_parts_are_those_of_the_organisers_shuffle(tree):
    paths = sorted(tree.glob("WBackground/*/real.rssdk/color/*.jpg"))
    deeper = sorted(tree.glob("WBackground/*/*/real.rssdk/color/*.jpg"))
    order = list(range(len(paths + deeper)))
    random.Random(43).shuffle(order)
    part = casia_surf(str(tree))["part"]
    for number, rows in enumerate((order[:192], order[192:216], order[216:])):
        assert np.flatnonzero(part == number).tolist() == sorted(rows)


def test_the_published_split_has_forget_persons_in_validation_only_if_not_in_retain(tree):
    settings = competition.load("casia_surf")
    loaded = data.load("casia_surf", settings.splits, {"folder": str(tree)})
    assert [len(getattr(loaded, name)["label"]) for name in SPLITS[2:]] == [24, 24]
    assert persons(loaded, "forget") == set(range(15))
    assert not persons(loaded, "forget") & persons(loaded, "retain")
    assert persons(loaded, "forget") & persons(loaded, "validation")


def test_the_clean_split_has_every_person_once(tree):
    settings = competition.load("casia_surf_clean")
    forget = replace(settings.splits.forget, share=0.1)
    splits = replace(settings.splits, forget=forget, retain=0.7)
    loaded = data.load("casia_surf", splits, {"folder": str(tree)})
    people = [persons(loaded, name) for name in SPLITS]
    assert sum(map(len, people)) == len(set.union(*people)) == 40
    assert len(persons(loaded, "forget")) == 4
    assert len(loaded.retain["label"]) == 156  # whole persons, at least 70 % of 216
    assert sum(len(getattr(loaded, name)["label"]) for name in SPLITS) == 240


def no_labels(tree):
    (tree / "Age_Gender.txt").unlink()


def empty_labels(tree):
    (tree / "Age_Gender.txt").write_text("\n")


def cut_labels(tree):
    path = tree / "Age_Gender.txt"
    path.write_text(path.read_text()[:-3])


def unlabelled(tree):
    save_image(tree / "WBackground/CLKJ_XX0001/real.rssdk/color/1.jpg")


def no_faces(tree):
    (tree / "WBackground").rename(tree / "Background")


def cut_face(tree):
    path = tree / "WBackground/CLKJ_AS0004/real.rssdk/color/11.jpg"
    path.write_bytes(path.read_bytes()[:-200])


def no_face_of_an_age(tree):
    for path in tree.glob("WBackground/**/CLKJ_AS0003/real.rssdk/color/*.jpg"):
        path.unlink()


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (no_labels, r"no .*Age_Gender\.txt; .* licence"),
        (empty_labels, "is empty"),
        (cut_labels, "line 10: 'CLKJ_AS0009 65' should be"),
        (unlabelled, "no line for CLKJ_XX0001"),
        (no_faces, r"no .*color/\*\.jpg; .* licence"),
        (cut_face, r"CLKJ_AS0004.*11\.jpg: it is not an image, or damaged"),
        (no_face_of_an_age, "class 3 of 0 to 9 has no image"),
    ],
)
def test_what_is_wrong_with_the_folder_is_said(tmp_path, harm, complaint):
    write_casia_surf(tmp_path, persons=10)
    harm(tmp_path)
    with pytest.raises(CompetitionError, match=complaint):
        splits = competition.load("casia_surf").splits
        data.load("casia_surf", splits, {"folder": str(tmp_path)})
