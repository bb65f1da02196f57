"""Branches and their graph take the steps of plain training; the quickest way is chosen."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from harness.fused import Separate
from harness.reference import choice, steps
from harness.reference.choice import quickest, ways
from harness.reference.steps import Examples, Recorded
from harness.reference.training import _train, initialise, train
from tests.reference.test_training import (
    ADAM,
    ADAMW,
    DIGITS,
    SGD,
    VIT,
    double,  # noqa: F401  float64 for all of these
    images_of,
    plain_loop,
)

SEEDS = [3, 14]


class Eager:
    """What a graph does, without a GPU: the same work at each replay, on the same tensors."""

    made: ClassVar[list[int]] = []

    def __init__(self, work):
        self._work = work
        self.made.append(0)
        self._place = len(self.made) - 1

    def replay(self):
        self.made[self._place] += 1
        self._work()


@pytest.fixture
def eager(monkeypatch):
    monkeypatch.setattr(steps, "Graph", Eager)
    monkeypatch.setattr(Eager, "made", [])


def trained(model, recipe, images, labels):
    members = [initialise(model, seed) for seed in SEEDS]
    labels = labels[:, None].expand(-1, 2)
    weights = torch.ones(labels.shape)
    if recipe.class_weighted:
        weights = (1 / labels[:, 0].bincount())[labels].double()
    rows = torch.arange(len(images))[:, None].expand(-1, 2)
    total = recipe.epochs * -(-len(images) // recipe.batch_size)
    group = Separate(members[0], [member.state_dict() for member in members])
    step = Recorded(group, recipe, Examples(images, labels, weights), total)
    return _train(step, rows, SEEDS, lambda amount: None)


@pytest.mark.parametrize(
    ("model", "recipe", "data"),
    [
        (DIGITS, replace(ADAMW, epochs=5), (1, 8)),
        (DIGITS, replace(ADAM, epochs=5), (1, 8)),
        (DIGITS, replace(SGD, epochs=5), (1, 8)),
        (VIT, SGD, (3, 16)),
    ],
    ids=["adamw", "adam, weighted", "sgd", "vit"],
)
def test_branches_end_with_the_weights_of_plain_training(model, recipe, data, eager):
    images, labels = images_of(*data)
    states = trained(model, recipe, images, labels).states()
    for seed, state in zip(SEEDS, states, strict=True):
        alone = plain_loop(model, recipe, images, labels, seed)
        for name, tensor in alone.items():
            torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-6)
    if recipe.epochs == 5:
        # Of batches of 16, 16 and 10: each size is recorded after three steps, and then replayed.
        assert sorted(Eager.made) == [2, 7]


def test_trimmed_models_are_trained_to_the_outputs_of_whole_ones():
    images, labels = images_of(1, 8)
    deeper = replace(DIGITS, arguments=DIGITS.arguments | {"widths": [4, 8, 8]})
    whole, smaller = (
        train(deeper, ADAM, images, labels, SEEDS, whole=whole) for whole in (True, False)
    )
    sizes = [sum(p.numel() for p in group.parameters()) for group in (whole, smaller)]
    assert sizes[1] < 0.7 * sizes[0]
    with torch.no_grad():
        torch.testing.assert_close(whole(images), smaller(images), rtol=1e-6, atol=1e-6)


@pytest.fixture
def gpu(monkeypatch):
    """Everything except the device itself says that there is one."""
    monkeypatch.setattr(choice, "_known", {})
    monkeypatch.setattr(choice, "let_go", lambda: None)
    monkeypatch.setattr(choice, "_settle", lambda: None)
    monkeypatch.setattr(choice, "device", lambda: torch.device("cuda"))


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (DIGITS, (1, 8), {"grouped, channels last", "grouped"}),
        (VIT, (3, 16), set()),
    ],
)
def test_a_gpu_has_all_ways_and_the_cpu_only_the_grouped_one(
    model, data, expected, gpu, monkeypatch, eager
):
    images, labels = images_of(*data)
    members = [initialise(model, seed) for seed in SEEDS]
    labels = labels[:, None].expand(-1, 2)
    settings = members, SGD, Examples(images, labels, torch.ones(labels.shape)), 99
    found = ways(*settings)
    assert set(found) == expected | {"branches", "graph of branches"}
    rows = torch.arange(32).view(16, 2)
    ends = []
    for way in found.values():  # each starts from the same weights, and takes the same steps
        step = way()
        for _ in range(5):
            step(rows)
        ends.append(step.group.states())
    for name, tensor in ends[0][1].items():
        for other in ends[1:]:
            torch.testing.assert_close(other[1][name], tensor, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(choice, "device", lambda: torch.device("cpu"))
    assert set(ways(*settings)) == expected - {"grouped"}


@pytest.fixture
def timed(gpu, monkeypatch):
    """Makes ways whose steps take so many seconds by a clock of their own, or raise."""
    now, taken = [0.0], []
    monkeypatch.setattr(choice, "perf_counter", lambda: now[0])

    def make(name, first, later):
        def way():
            steps_taken = []

            def step(rows):
                if isinstance(later, Exception):
                    raise later
                steps_taken.append(rows)
                taken.append(name)
                now[0] += first if len(steps_taken) <= choice.WARM + 2 else later

            return step

        return way

    return lambda **ways: {name: make(name, *seconds) for name, seconds in ways.items()}, taken


def test_the_quickest_way_is_chosen_once_after_warming_up(timed):
    make, taken = timed
    found = make(slow=(0, 2.0), quick=(90.0, 1.0), broken=(0, ValueError("no graph")))
    assert quickest(found, "these models", torch.zeros(1, 1)) == "quick"
    assert taken == ["slow"] * 25 + ["quick"] * 25
    assert quickest(found, "these models", torch.zeros(1, 1)) == "quick"
    assert len(taken) == 50
    assert quickest({"only": found["broken"]}, "others", torch.zeros(1, 1)) == "only"


def test_a_lack_of_memory_is_no_reason_to_choose_another_way(timed):
    make, _ = timed
    full = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        quickest(make(slow=(0, 2.0), full=(0, full)), "k", torch.zeros(1, 1))
    with pytest.raises(ValueError, match="second"):
        broken = make(a=(0, ValueError("first")), b=(0, ValueError("second")))
        quickest(broken, "k", torch.zeros(1, 1))
