"""What models know only because they were trained on it: wrong labels, first of all."""

from dataclasses import replace

import numpy as np
import pytest

from harness import competition
from harness.competition import Forget
from harness.data import read
from harness.reference import memorisation
from harness.reference.memorisation import estimate, known
from harness.reference.pools import cached, prepare
from harness.reference.training import AT_ONCE, seeds, train
from harness.workers import SILENT, Workers

EXAMPLES, WRONG = 240, 12
DIGITS = competition.load("digits", runs=10)
SMALL = replace(
    DIGITS,
    splits=replace(DIGITS.splits, forget=Forget("memorised", count=WRONG)),
    model=replace(DIGITS.model, arguments=DIGITS.model.arguments | {"widths": [8, 16]}),
    training=replace(DIGITS.training, epochs=20, batch_size=30),
)
QUICK = replace(SMALL, training=replace(DIGITS.training, epochs=1))


@pytest.fixture(scope="module")
def mislabelled():
    """Digits of which a few have the label of the next one."""
    columns = {name: column[:EXAMPLES].copy() for name, column in read("digits").items()}
    wrong = np.random.default_rng(0).choice(EXAMPLES, WRONG, replace=False)
    columns["label"][wrong] = (columns["label"][wrong] + 1) % 10
    return columns, wrong


def test_wrong_labels_are_memorised_most_and_the_estimate_is_kept(mislabelled, tmp_path):
    columns, wrong = mislabelled
    assert known(SMALL, columns, tmp_path) is None
    scores = estimate(SMALL, columns, tmp_path, Workers(1), progress=False)
    assert scores.shape == (EXAMPLES,)
    assert -0.5 < scores.min() <= scores.max() <= 1
    right = np.setdiff1d(np.arange(EXAMPLES), wrong)
    assert scores[wrong].mean() > scores[right].mean() + 0.3
    assert len(np.intersect1d(np.argsort(-scores)[:WRONG], wrong)) > WRONG / 2
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert np.array_equal(estimate(SMALL, columns, tmp_path, Workers(1), progress=False), scores)
    fewer = replace(SMALL, splits=replace(SMALL.splits, forget=Forget("memorised", count=3)))
    assert np.array_equal(known(fewer, columns, tmp_path), scores)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == made
    other = replace(SMALL, training=replace(SMALL.training, seed=7))
    assert known(other, columns, tmp_path) is None


def test_no_model_that_measures_memorisation_has_a_seed_of_the_reference(mislabelled, monkeypatch):
    columns, _ = mislabelled
    images, labels = columns["image"], columns["label"]
    drawn = []

    def recorded(model, recipe, x, y, seeds, *rest, **more):
        drawn.extend(seeds)
        return train(model, recipe, x, y, seeds, *rest, **more)

    monkeypatch.setattr(memorisation, "train", recorded)
    halves = memorisation._halves(EXAMPLES, seed=0)
    recipe = QUICK.training
    memorisation._probabilities(QUICK.model, recipe, images, labels, halves, 0, SILENT)
    assert len(set(drawn)) == AT_ONCE
    of_reference = {s for pool in range(3) for s in seeds(recipe.seed, pool, range(512))}
    assert len(of_reference) == 3 * 512
    assert not set(drawn) & of_reference


def test_a_reference_forgets_the_most_memorised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cached(QUICK) is None
    reference = prepare(QUICK, progress=False, workers=Workers(1))
    (kept,) = tmp_path.glob("reference/cache/digits-memorisation-*")
    columns = read("digits")
    scores = known(QUICK, columns, kept.parent)
    forgotten = reference.data.forget["image_id"]
    assert set(forgotten) == set(columns["image_id"][np.argsort(-scores)[:WRONG]])
    found = cached(QUICK)
    assert found.fingerprint == reference.fingerprint
    assert np.array_equal(found.data.forget["image_id"], forgotten)
