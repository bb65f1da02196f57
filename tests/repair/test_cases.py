"""Flips, originals and failures: as many as said, seeded, and the same from the cache."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness import models
from harness.repair import cases
from harness.repair.cases import flip, prepare
from harness.sources import CompetitionError
from harness.workers import SILENT


def test_flips_are_as_many_as_said_each_to_another_class_evenly():
    labels = np.repeat(np.arange(5), 2000)
    flipped = flip(labels, 0.3, 5, np.random.default_rng(0))
    changed = flipped != labels
    assert changed.sum() == 3000
    shifts = np.bincount((flipped - labels)[changed] % 5, minlength=5)
    assert shifts[0] == 0
    assert shifts[1:] == pytest.approx(750, abs=100)
    assert np.array_equal(flipped, flip(labels, 0.3, 5, np.random.default_rng(0)))


def test_every_case_has_flips_a_model_and_failures_of_its_own(reference):
    first, second = reference.cases
    for case in (first, second):
        assert case.flipped.sum() == 30
        assert np.array_equal(case.labels != reference.train["label"], case.flipped)
    assert not np.array_equal(first.flipped, second.flipped)
    assert not np.array_equal(first.weights["fc.weight"], second.weights["fc.weight"])


def test_failures_are_the_originals_mistakes_and_are_shared_out(reference):
    model = reference.competition.model
    for case in reference.cases:
        net = models.build(model.architecture, **model.arguments).eval()
        net.load_state_dict({name: torch.from_numpy(v) for name, v in case.weights.items()})
        with torch.no_grad():
            said = net(torch.from_numpy(reference.query["image"])).argmax(1).numpy()
        wrong = np.flatnonzero(said != reference.query["label"])
        assert sorted([*case.failures, *case.held_out]) == wrong.tolist()
        assert abs(len(case.failures) - len(case.held_out)) <= 1


class OnGPU(torch.Tensor):
    """Refuses what a tensor on a GPU refuses."""

    def numpy(self):
        raise TypeError("copy the tensor to host memory first")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_what_a_gpu_computes_is_copied_to_the_host(reference, small, monkeypatch):
    trained, answered = cases.train, cases.forward_all

    def train(*arguments, **more):
        models = trained(*arguments, **more)
        states = [{k: v.as_subclass(OnGPU) for k, v in own.items()} for own in models.states()]
        monkeypatch.setattr(models, "states", lambda: states)
        return models

    monkeypatch.setattr(cases, "train", train)
    monkeypatch.setattr(cases, "forward_all", lambda *own: answered(*own).as_subclass(OnGPU))
    splits = {name: getattr(reference, name) for name in cases.SPLITS}
    made = cases._train(small, splits, [0, 1], SILENT)
    for own, case in zip(made, reference.cases, strict=True):
        assert np.array_equal(own.weights["fc.weight"], case.weights["fc.weight"])


def test_the_splits_share_no_image_and_tell_no_place_in_the_data(reference):
    splits = [reference.train, reference.query, reference.validation, reference.test]
    images = np.concatenate([split["image"] for split in splits]).reshape(1797, -1)
    assert len(np.unique(images, axis=0)) == 1797
    for split in splits:
        assert split["image_id"].tolist() == list(range(len(split["label"])))


def test_the_cache_gives_the_same_cases(reference, workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    for kept, case in zip(prepare(reference.competition).cases, reference.cases, strict=True):
        assert np.array_equal(kept.flipped, case.flipped)
        assert np.array_equal(kept.weights["fc.weight"], case.weights["fc.weight"])


def test_splits_that_leave_no_test_set_are_refused(small):
    greedy = replace(small, splits=replace(small.splits, train=1600))
    with pytest.raises(CompetitionError, match="leave some for the test set"):
        prepare(greedy)
