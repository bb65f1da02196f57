"""stochastic_reinit: what is re-initialised, how much of it, and what is remembered."""

import copy

import pytest
import torch
from torch.nn.functional import mse_loss
from torchvision.models import resnet18

from tests.submissions.conftest import Digits, changed, snapshot


@pytest.fixture
def module(load):
    return load("stochastic_reinit")


def test_never_touches_the_head_or_a_shortcut(module, digits: Digits):
    net = digits.model()
    for _ in range(20):
        module.reinitialise(net, share=1.0)
    touched = changed(digits.weights, snapshot(net))
    convolutions = {n for n, w in digits.weights.items() if w.dim() == 4}
    assert touched == {n for n in convolutions if "downsample" not in n}
    assert any("downsample" in n for n in convolutions)


def test_torchvision_shortcuts_are_not_eligible(module):
    names = module.eligible(resnet18()).keys()
    assert len(names) == 17  # the convolutions of ResNet-18 without its 3 projections
    assert "conv1" in names and not any("downsample" in name for name in names)


@pytest.mark.parametrize("share, layers", [(0.0, 1), (0.3, 2), (0.6, 4), (1.0, 7)])
def test_takes_a_share_of_the_layers_and_at_least_one(module, digits: Digits, share, layers):
    net = digits.model()
    module.reinitialise(net, share)
    assert len(changed(digits.weights, snapshot(net))) == layers


def test_chooses_other_layers_every_time(module, digits: Digits):
    chosen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        net = digits.model()
        module.reinitialise(net, share=0.0)
        chosen |= changed(digits.weights, snapshot(net))
    assert len(chosen) == 7


@pytest.mark.parametrize("steps", [0, 1, 28, 1000])
def test_share_and_repair_grow_with_the_cycle(module, steps):
    shares, parts = zip(*module.plan(steps), strict=True)
    assert shares == pytest.approx([0.1, 0.2, 0.3])
    assert sum(parts) == steps
    assert list(parts) == sorted(parts)


def test_a_run_is_made_of_these_cycles(module, digits: Digits, monkeypatch):
    """Without any repair, no more layers are new than the three cycles take, and only those."""
    monkeypatch.setattr(module, "EPOCHS", 0)
    retain, _, _ = digits.loaders()
    counts = set()
    for seed in range(20):
        net = digits.model()
        torch.manual_seed(seed)
        module.unlearning(net, retain, None, None)
        touched = changed(digits.weights, snapshot(net))
        assert touched <= {f"{name}.weight" for name in module.eligible(net)}
        counts.add(len(touched))
    assert max(counts) == 4  # 1 + 1 + 2 of 7, when no layer is drawn twice
    assert min(counts) >= 2


def test_remembers_the_originals_logits(module, digits: Digits):
    original, net = digits.model(), digits.model()
    retain, _, _ = digits.loaders()
    images = digits.retain.columns["image"]

    def distance(model):
        with torch.no_grad():
            return mse_loss(copy.deepcopy(model).eval()(images), original(images)).item()

    torch.manual_seed(0)
    recalled = module.recall(net, retain)
    module.reinitialise(net, share=0.3)
    forgotten = distance(net)
    module.remember(net, *recalled, steps=28, batch_size=64)
    assert distance(net) < forgotten / 4
