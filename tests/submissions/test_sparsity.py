"""Pruning and the l1 penalty: how sparse, which weights, and a dense model at the end."""

import copy

import pytest
import torch
from torch import nn

from tests.submissions.conftest import Digits, changed, loss_on, snapshot


def prunable(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize("pruner", ["omp", "imp", "synflow"])
@pytest.mark.parametrize("sparsity", [0.3, 0.8])
def test_ends_dense_with_that_share_of_zeros(load, digits: Digits, monkeypatch, pruner, sparsity):
    module, net = load("sparse_finetune"), digits.model()
    monkeypatch.setattr(module, "PRUNER", pruner)
    monkeypatch.setattr(module, "SPARSITY", sparsity)
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    assert net.state_dict().keys() == digits.weights.keys()
    weights = torch.cat([layer.weight.flatten() for layer in prunable(net)])
    assert (weights == 0).float().mean().item() == pytest.approx(sparsity, abs=1e-3)
    for layer in prunable(net):
        assert isinstance(layer.weight, nn.Parameter)
        assert not layer._forward_pre_hooks


@pytest.mark.parametrize("pruner", ["omp", "imp", "synflow"])
def test_what_is_not_pruned_is_kept(load, digits: Digits, monkeypatch, pruner):
    module, net = load("sparse_finetune"), digits.model()
    monkeypatch.setattr(module, "PRUNER", pruner)
    monkeypatch.setattr(module, "EPOCHS", 0)
    module.unlearning(net, *digits.loaders())
    for name, tensor in snapshot(net).items():
        assert torch.equal(tensor[tensor != 0], digits.weights[name][tensor != 0])


def test_one_shot_takes_the_smallest_of_all_layers(load, digits: Digits, monkeypatch):
    module, net = load("sparse_finetune"), digits.model()
    monkeypatch.setattr(module, "EPOCHS", 0)
    before = torch.cat([layer.weight.flatten() for layer in prunable(net)]).abs().detach()
    module.unlearning(net, *digits.loaders())
    gone = torch.cat([layer.weight.flatten() for layer in prunable(net)]) == 0
    assert before[gone].max() <= before[~gone].min()


def test_iterative_pruning_trains_between_rounds(load, digits: Digits, monkeypatch):
    """Without training it ends where one-shot pruning does; with it, other weights are gone."""
    module = load("sparse_finetune")

    def gone(pruner, epochs):
        monkeypatch.setattr(module, "PRUNER", pruner)
        monkeypatch.setattr(module, "EPOCHS", epochs)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        return torch.cat([layer.weight.flatten() for layer in prunable(net)]) == 0

    assert torch.equal(gone("imp", 0), gone("omp", 0))
    assert not torch.equal(gone("imp", 1), gone("omp", 1))


def test_synflow_scores_by_finite_differences(load, digits: Digits):
    module, net = load("sparse_finetune"), digits.model()
    layers = prunable(net)
    scores = module.synflow(net, layers, (1, 8, 8))

    positive = copy.deepcopy(net).double()
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
        flow = positive(torch.ones(1, 1, 8, 8).double()).sum()
        for layer, score in zip(prunable(positive), scores, strict=True):
            weight, size = layer.weight.view(-1), 1e-6
            largest = score.flatten().argmax()
            weight[largest] *= 1 + size
            change = positive(torch.ones(1, 1, 8, 8).double()).sum() - flow
            weight[largest] /= 1 + size
            assert score.max().item() == pytest.approx(change.item() / size, rel=1e-3)
    assert not changed(digits.weights, snapshot(net))


def test_l1_penalty_shrinks_the_weights(load, digits: Digits, monkeypatch):
    module, norms = load("l1_sparse"), []
    for penalty in (0.0, module.PENALTY):
        monkeypatch.setattr(module, "PENALTY", penalty)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        norms.append(module.l1_norm(net).item())
    assert norms[1] < 0.9 * norms[0]
    assert loss_on(net, digits.retain) < 0.2


def test_l1_norm(load):
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0]]))
        layer.bias.fill_(-0.5)
    assert load("l1_sparse").l1_norm(layer).item() == pytest.approx(3.5)
