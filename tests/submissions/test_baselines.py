"""The challenge's baselines, gradient ascent, and retraining by the competition's own recipe."""

from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader, Sampler

from harness.batches import Split
from harness.competition import Model
from harness.reference import training
from tests.submissions.conftest import Digits, changed, loss_on, snapshot


class Replay(Sampler):
    """The order of examples that `reference.training.train` draws from a seed."""

    def __init__(self, size, seed):
        self.size, self.generator = size, torch.Generator().manual_seed(seed)

    def __len__(self):
        return self.size

    def __iter__(self):
        return iter(torch.randperm(self.size, generator=self.generator).tolist())


def test_retrain_is_the_competitions_recipe(load, digits: Digits):
    module, recipe = load("retrain"), digits.competition.training
    assert recipe.epochs == module.EPOCHS
    assert recipe.learning_rate == module.LEARNING_RATE
    assert recipe.weight_decay == module.WEIGHT_DECAY
    assert recipe.batch_size == digits.loaders()[0].batch_size


def test_retrain_ends_where_the_reference_ends(load, digits: Digits, monkeypatch):
    """From the same seed and batches, in float64: the same weights after two epochs.

    In a network without projection shortcuts, layers draw their first weights in the same
    order when they are made as when they are reset.
    """
    module, recipe = load("retrain"), replace(digits.competition.training, epochs=2)
    monkeypatch.setattr(module, "EPOCHS", 2)
    model = Model("small_resnet", {"channels": 1, "classes": 10, "widths": [8]})
    columns = digits.retain.columns
    split = Split({k: v.double() if k == "image" else v for k, v in columns.items()})
    batches = DataLoader(split, batch_size=64, sampler=Replay(len(split), seed=5))
    torch.set_default_dtype(torch.float64)
    try:
        images, labels = split.columns["image"], split.columns["age_group"]
        expected = training.train(model, recipe, images, labels, seeds=[5]).states()[0]
        net = training.initialise(model, seed=6)
        torch.manual_seed(5)
        module.unlearning(net, batches, None, None)
    finally:
        torch.set_default_dtype(torch.float32)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-8)


def test_retrain_keeps_nothing_of_the_original(load, digits: Digits, monkeypatch):
    module = load("retrain")
    monkeypatch.setattr(module, "EPOCHS", 1)
    ruined = digits.model()
    with torch.no_grad():
        for tensor in ruined.state_dict().values():
            tensor.fill_(7)
    for net in (ruined, original := digits.model()):
        torch.manual_seed(0)
        module.unlearning(net, digits.loaders()[0], None, None)
    assert not changed(snapshot(ruined), snapshot(original))


def test_finetune_is_the_challenges(load):
    for module in (load("finetune"), load("finetune_noise")):
        rates = module.LEARNING_RATE, module.MOMENTUM, module.WEIGHT_DECAY, module.EPOCHS
        assert rates == (1e-3, 0.9, 5e-4, 1)


@pytest.mark.parametrize("name", ["finetune", "finetune_noise"])
def test_finetune_takes_steps_of_sgd_with_momentum(name, load, digits: Digits, monkeypatch):
    """The gradients with weight decay, times the rate; decay is made large enough to be seen."""
    module = load(name)
    monkeypatch.setattr(module, "WEIGHT_DECAY", 5.0)
    monkeypatch.setattr(module, "NOISE", 0.0, raising=False)
    net, twin = digits.model(), digits.model().train()
    columns = {k: v[:128] for k, v in digits.retain.columns.items()}
    batches = DataLoader(Split(columns), batch_size=64)
    module.unlearning(net, batches, None, None)
    velocities = [torch.zeros_like(p) for p in twin.parameters()]
    for images, labels in batches:
        loss = torch.nn.functional.cross_entropy(twin(images), labels)
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for p, v, g in zip(twin.parameters(), velocities, gradients, strict=True):
                v.mul_(0.9).add_(g + 5 * p)
                p.sub_(1e-3 * v)
    for p, expected in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, expected)


def test_finetune_repairs_the_retain_set(load, digits: Digits):
    net = digits.model()
    torch.nn.init.zeros_(net.fc.weight)
    before = loss_on(net, digits.retain)
    load("finetune").unlearning(net, digits.loaders()[0], None, None)
    assert loss_on(net, digits.retain) < before


def test_finetune_noise_has_the_standard_deviation_it_says(load, digits: Digits, monkeypatch):
    module = load("finetune_noise")
    monkeypatch.setattr(module, "EPOCHS", 0)
    net = digits.model()
    torch.manual_seed(0)
    module.unlearning(net, digits.loaders()[0], None, None)
    noise = torch.cat([(p - digits.weights[n]).flatten() for n, p in net.named_parameters()])
    assert noise.std().item() == pytest.approx(module.NOISE, rel=0.03)
    assert abs(noise.mean().item()) < 4 * module.NOISE / len(noise) ** 0.5
    buffers = {name for name, _ in net.named_buffers()}
    assert not buffers & changed(digits.weights, snapshot(net))


def test_neggrad_climbs_on_the_forget_set_alone(load, digits: Digits):
    net = digits.model()
    load("neggrad").unlearning(net, None, digits.loaders()[1], None)
    assert loss_on(net, digits.forget) > loss_on(digits.model(), digits.forget) + 1


def test_neggrad_plus_holds_on_to_the_retain_set(load, digits: Digits):
    alone, both = digits.model(), digits.model()
    torch.manual_seed(0)
    load("neggrad").unlearning(alone, *digits.loaders())
    load("neggrad_plus").unlearning(both, *digits.loaders())
    assert loss_on(both, digits.forget) > loss_on(digits.model(), digits.forget)
    assert loss_on(both, digits.retain) < loss_on(alone, digits.retain) / 4


def test_neggrad_plus_weighs_the_two_losses(load, digits: Digits, monkeypatch):
    module, losses = load("neggrad_plus"), []
    for balance in (1.0, 0.8, 0.5):
        monkeypatch.setattr(module, "BALANCE", balance)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        losses.append(loss_on(net, digits.forget))
    assert losses == sorted(losses) and losses[0] < losses[-1]
