"""The reference: trained once, resumed, remade when its cache or its recipe changes."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness import competition
from harness.competition import CompetitionError, Model
from harness.reference import pools
from harness.reference.pools import cached, prepare
from tests.sandbox.test_faults import command_line, descendants, eventually

DIGITS = competition.load("digits", runs=40)
QUICK = replace(
    DIGITS,
    model=replace(DIGITS.model, arguments=DIGITS.model.arguments | {"widths": [4, 8]}),
    training=replace(DIGITS.training, epochs=2),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture
def workspace(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def accuracies(reference) -> dict[str, np.ndarray]:
    both = (reference.original, reference.retrained, reference.second)
    return {
        f"{name} {i}": values
        for i, pool in enumerate(both)
        for name, values in pool.arrays().items()
        if name.endswith("accuracy")
    }


def test_a_reference_holds_an_original_and_two_independent_pools(workspace):
    reference = prepare(QUICK, progress=False)
    assert len(reference.original) == 1
    assert len(reference.retrained) == len(reference.second) == 40
    logits = np.concatenate([reference.retrained.forget_logits, reference.second.forget_logits])
    assert len(np.unique(logits[:, 0, 0])) == 80
    assert reference.retrained.retain_accuracy.mean() > 0.3  # chance is 0.1
    assert reference.retrain_seconds > 0


def test_a_submission_sees_its_inputs_and_no_test_image(workspace):
    reference = prepare(QUICK, progress=False)
    files = {path.name for path in reference.inputs.iterdir()}
    assert files == {
        "age_class_weights.json",
        "competition.json",
        "empty.txt",
        "forget.safetensors",
        "manifest.jsonl",
        "original.safetensors",
        "retain.safetensors",
        "validation.safetensors",
    }
    seen = [
        load_file(reference.inputs / f"{name}.safetensors")["image_id"]
        for name in ("retain", "forget", "validation")
    ]
    assert not set(np.concatenate(seen)) & set(reference.data.test["image_id"])


def test_what_is_cached_is_not_trained_again(workspace, monkeypatch):
    first = prepare(QUICK, progress=False)
    monkeypatch.setattr(pools, "train", None)
    monkeypatch.setattr(pools, "in_parallel", None)  # would be called if anything were missing
    again = prepare(QUICK, progress=False)
    assert np.array_equal(first.retrained.forget_logits, again.retrained.forget_logits)
    fewer = replace(QUICK, evaluation=replace(QUICK.evaluation, runs=16))
    assert len(prepare(fewer, progress=False).retrained) == 16


def test_a_deleted_or_damaged_cache_is_remade_with_the_same_accuracies(workspace):
    before = prepare(QUICK, progress=False)
    for path in (before.folder / "pools").glob("retrained-*"):
        path.unlink()
    damaged = before.folder / "pools" / "second-000.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    (before.inputs / "original.safetensors").unlink()
    after = prepare(QUICK, progress=False)
    for name, values in accuracies(before).items():
        assert np.array_equal(values, accuracies(after)[name]), name


def test_what_is_cached_can_be_had_without_training(workspace):
    whole = prepare(QUICK, progress=False)
    found = cached(QUICK)
    assert found is not None
    for name in ("original", "retrained", "second"):
        theirs, ours = getattr(whole, name).arrays(), getattr(found, name).arrays()
        assert all(np.array_equal(theirs[key], ours[key]) for key in theirs)
    assert (found.inputs, found.retrain_seconds) == (whole.inputs, whole.retrain_seconds)


def test_of_a_cache_that_lacks_any_there_is_nothing(workspace):
    other = replace(QUICK, training=replace(QUICK.training, seed=3))
    before = set(workspace.rglob("*"))
    assert cached(other) is None
    assert set(workspace.rglob("*")) == before
    more = replace(QUICK, evaluation=replace(QUICK.evaluation, runs=80))
    prepare(QUICK, progress=False)
    assert cached(more) is None


def test_another_recipe_has_another_cache(workspace):
    other = replace(QUICK, training=replace(QUICK.training, seed=2))
    assert prepare(other, progress=False).folder != prepare(QUICK, progress=False).folder


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (Model("lenet"), "no architecture 'lenet'"),
        (Model("small_resnet", {"depth": 3}), "depth"),
        (Model("small_resnet", DIGITS.model.arguments | {"classes": 7}), "7 logits"),
        (Model("small_resnet", DIGITS.model.arguments | {"channels": 3}), "channels"),
        (Model("nowhere.models:net"), "cannot import 'nowhere.models:net'"),
        (Model("small_vit", {"num_classes": 10}), "Wrong image height"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(workspace, model, complaint):
    with pytest.raises(CompetitionError, match=complaint):
        prepare(replace(QUICK, model=model), progress=False)


def test_a_last_batch_of_one_image_is_refused_where_batch_norm_cannot_train_on_it(workspace):
    splits = replace(DIGITS.splits, retain=13 * 64 + 1)
    with pytest.raises(CompetitionError, match="last of an epoch's batches has one image"):
        prepare(replace(DIGITS, splits=splits), progress=False)


def test_faces_from_generator_to_pools(workspace):
    faces = competition.load("synthetic_faces", runs=10)
    small = replace(
        faces,
        data={"persons": 60, "images": 5, "classes": 3},
        splits=replace(faces.splits, forget=replace(faces.splits.forget, share=0.1), retain=0.7),
        model=Model(
            "small_resnet", {"channels": 3, "classes": 3, "widths": [8, 16], "stem_stride": 4}
        ),
        training=replace(faces.training, epochs=3, batch_size=8, learning_rate=1e-2),
    )
    reference = prepare(small, progress=False)
    forget = reference.data.forget
    assert forget["image"].shape[1:] == (3, 32, 32)
    assert len(np.unique(forget["person_id"])) == 6
    assert not set(forget["person_id"]) & set(reference.data.retain["person_id"])
    assert reference.retrained.forget_logits.shape == (10, len(forget["label"]), 3)
    assert reference.retrained.retain_accuracy.mean() > 0.7
    # What is to be unlearned: the original knows the persons to forget, the others do not.
    gap = reference.original.forget_accuracy.mean() - reference.retrained.forget_accuracy.mean()
    assert gap > 0.3
    seen = load_file(reference.inputs / "forget.safetensors")
    assert np.array_equal(seen["person_id"], forget["person_id"])
    assert np.array_equal(seen["age"], forget["age"])


ENDLESS = replace(QUICK, training=replace(QUICK.training, epochs=100_000))
TRAINS = """
from tests.reference.test_pools import ENDLESS
from harness.reference.pools import prepare
prepare(ENDLESS, progress=False)
"""


def workers(pid: int) -> list[int]:
    return [p for p in descendants(pid) if b"LokyProcess" in command_line(p)]


def test_the_processes_that_train_end_with_a_killed_evaluator(workspace):
    root = Path(competition.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", TRAINS], env=environment) as evaluator:
        training = eventually(lambda: workers(evaluator.pid))
        evaluator.kill()
    assert isinstance(training, list)
    eventually(lambda: not any(b"LokyProcess" in command_line(pid) for pid in training))


def test_a_killed_process_of_the_training_is_the_hosts_fault(workspace):
    done = threading.Event()

    def kill() -> None:
        while not done.wait(0.5):  # an idle one of an earlier test does not count
            for pid in workers(os.getpid())[:1]:
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(CompetitionError, match="was killed; is the machine out of memory"):
            prepare(ENDLESS, progress=False)
    finally:
        done.set()
        killer.join()
