"""The generated faces have what unlearning needs: ages to learn, and persons to remember."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from harness import competition, data
from harness.data.synthetic_faces import synthetic_faces
from harness.reference.pools import check_model
from harness.reference.training import initialise


def test_sizes_and_structure():
    columns = synthetic_faces(persons=80, images=5, classes=6, size=16)
    count = len(columns["label"])
    assert 300 < count < 500
    assert columns["image"].shape == (count, 3, 16, 16)
    assert columns["image"].dtype == np.float32
    assert 0 <= columns["image"].min() < columns["image"].max() <= 1
    assert len(np.unique(columns["person_id"])) == 80
    for person in range(80):
        assert len(np.unique(columns["age"][columns["person_id"] == person])) == 1
    sizes = np.bincount(columns["label"])
    assert len(sizes) == 6
    assert sizes[0] > 3 * sizes[-1] > 0
    assert np.array_equal(columns["label"], (columns["age"] - 15) // 7)


def test_the_seed_decides():
    first, second = (synthetic_faces(persons=20, images=3, classes=3, size=8) for _ in range(2))
    other = synthetic_faces(persons=20, images=3, classes=3, size=8, seed=1)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["image"][:10], other["image"][:10])


def test_age_can_be_learned_and_a_known_person_is_easier():
    columns = synthetic_faces(persons=200, images=6, classes=4, size=8)
    images = columns["image"].reshape(len(columns["label"]), -1)
    rng = np.random.default_rng(0)
    known = columns["person_id"] < 150
    seen = known & (rng.random(len(images)) < 0.5)
    model = LogisticRegression(C=10, max_iter=1000).fit(images[seen], columns["label"][seen])

    def accuracy(rows):
        return model.score(images[rows], columns["label"][rows])

    strangers = ~known
    chance = np.bincount(columns["label"][strangers]).max() / strangers.sum()
    assert accuracy(strangers) > chance + 0.1
    assert accuracy(known & ~seen) > accuracy(strangers) + 0.05


def test_the_competition_divides_them_with_persons_apart():
    settings = competition.load("synthetic_faces")
    small = {"persons": 200, "images": 4, "classes": 4, "size": 8}
    loaded = data.load(settings.dataset, settings.splits, small)
    people = [
        set(getattr(loaded, name)["person_id"].tolist())
        for name in ("retain", "forget", "validation", "test")
    ]
    assert sum(map(len, people)) == len(set.union(*people)) == 200
    assert len(people[1]) == 4


def test_the_small_competition_has_what_files_for_the_challenge_look_for():
    settings = competition.load("faces_small")
    faces = data.load(settings.dataset, settings.splits, settings.data)
    assert faces.classes == 10
    assert faces.forget["image"].shape[1:] == (3, 32, 32)
    assert {"age", "person_id"} <= set(faces.forget)
    splits = (faces.retain, faces.forget, faces.validation, faces.test)
    assert 1800 < sum(len(split["label"]) for split in splits) < 2200
    assert 60 < len(faces.forget["label"]) < 150
    check_model(settings, faces)
    net = initialise(settings.model, seed=0)
    assert {"maxpool", "layer1", "layer2", "layer3", "layer4", "fc"} <= set(
        dict(net.named_children())
    )
