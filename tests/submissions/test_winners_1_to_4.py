"""The challenge's first four places: what each erases, keeps and asks of its losses."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18

from harness.batches import Split, loader
from tests.submissions.conftest import Digits, changed, snapshot


def convolutions(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def prunable(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@torch.no_grad()
def answers(net, split):
    return net.eval()(split.columns["image"])


# --- 1st: forget_contrast


def test_contrast_is_least_where_the_similarities_are_even(load):
    module = load("forget_contrast")
    torch.manual_seed(0)
    lost, kept = torch.randn(3, 5), torch.randn(7, 5)
    similarities = lost @ kept.T / 1.15
    expected = -(similarities - similarities.logsumexp(1, keepdim=True)).mean()
    torch.testing.assert_close(module.contrast(lost, kept), expected)
    assert module.contrast(torch.zeros(3, 5), kept).item() == pytest.approx(math.log(7))
    assert module.contrast(lost, kept) > math.log(7)


def test_contrast_passes_even_out_the_forget_sets_neighbours(load, digits: Digits, monkeypatch):
    module, spreads = load("forget_contrast"), []
    monkeypatch.setattr(module, "FLATTEN_RATE", 0.0)
    monkeypatch.setattr(module, "RETAIN_RATE", 0.0)
    for rate in (0.0, module.CONTRAST_RATE):
        monkeypatch.setattr(module, "CONTRAST_RATE", rate)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        net.train()
        with torch.no_grad():
            lost, kept = (net(s.columns["image"]) for s in (digits.forget, digits.retain))
        spreads.append((lost @ kept.T).std(dim=1).mean().item())
    assert spreads[1] < 0.95 * spreads[0]


def test_flattening_moves_the_forget_set_towards_uniform(load, digits: Digits):
    module, net = load("forget_contrast"), digits.model()
    images = digits.forget.columns["image"]
    net.train()
    with torch.no_grad():
        before = module.unevenness(net(images))
    module.flatten(net, digits.loaders()[1], torch.device("cpu"))
    with torch.no_grad():
        assert math.log(10) < module.unevenness(net(images)) < before
    assert module.unevenness(torch.zeros(2, 10)).item() == pytest.approx(math.log(10))


# --- 2nd: small_gradient_reinit


def test_the_two_sets_pull_in_opposite_directions(load, digits: Digits):
    """Were the retain set the forget set, descent and ascent would cancel."""
    module, (retain, forget, _) = load("small_gradient_reinit"), digits.loaders()
    sizes = []
    for kept in (forget, retain):
        net = digits.model()
        module.collect_gradients(net, kept, forget)
        sizes.append(max(layer.weight.grad.abs().max().item() for layer in convolutions(net)))
    assert sizes[0] < 1e-3 * sizes[1]


def test_starts_again_where_the_gradient_is_smallest(load, digits: Digits, monkeypatch):
    module, net = load("small_gradient_reinit"), digits.model()
    monkeypatch.setattr(module, "EPOCHS", 0)
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    assert changed(digits.weights, snapshot(net)) == {
        name for name, weight in digits.weights.items() if weight.dim() == 4
    }
    for layer, old in zip(convolutions(net), convolutions(digits.model()), strict=True):
        fresh = layer.weight != old.weight
        assert fresh.sum() == round(module.SHARE * fresh.numel())
        size = layer.weight.grad.abs()
        assert size[fresh].max() <= size[~fresh].min()


def test_each_run_starts_other_weights_again(load, digits: Digits):
    module, net = load("small_gradient_reinit"), digits.model()
    masks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        module.collect_gradients(net, *digits.loaders()[:2])
        masks.append(module.smallest(net.conv1.weight.grad.abs()))
    assert masks[0].sum() == masks[1].sum()
    assert not torch.equal(*masks)


def test_fresh_weights_are_torchvisions(load):
    weight = torch.ones(64, 32, 3, 3)
    mask = torch.rand_like(weight) < 0.5
    torch.manual_seed(0)
    load("small_gradient_reinit").reinitialise(weight, mask)
    assert (weight[~mask] == 1).all()
    assert weight[mask].std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_what_was_kept_learns_at_a_tenth_of_the_rate(load, digits: Digits, monkeypatch):
    module = load("small_gradient_reinit")
    for name, value in {"EPOCHS": 1, "MOMENTUM": 0.0, "WEIGHT_DECAY": 0.0}.items():
        monkeypatch.setattr(module, name, value)
    columns = {k: v[:64] for k, v in digits.retain.columns.items()}
    moves = []
    for factor in (1.0, module.KEPT):
        net = digits.model()
        module.train(net, loader(Split(columns), 64, shuffle=False), [net.conv1.weight], [factor])
        moves.append(net.conv1.weight.detach() - digits.weights["conv1.weight"])
    assert moves[0].abs().max() > 1e-4
    torch.testing.assert_close(moves[1], moves[0] / 10, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7, 28])
def test_the_rate_rises_to_the_middle_and_falls(load, steps):
    share = load("small_gradient_reinit").rise_and_fall(steps)
    rates = [share(k) for k in range(steps)]
    first = rates[: (steps + 1) // 2]
    assert min(rates) > 0 and max(rates) <= 1
    assert first == sorted(first)
    assert rates == pytest.approx(rates[::-1])


# --- 3rd: confused_convolution


def test_confuses_the_first_convolution_alone(load):
    module, net = load("confused_convolution"), resnet18()
    before = snapshot(net)
    torch.manual_seed(0)
    module.confuse(net, module.CONFUSION)
    assert changed(before, snapshot(net)) == {"conv1.weight"}
    noise = net.conv1.weight.detach() - before["conv1.weight"]
    assert noise.std().item() == pytest.approx(0.6, rel=0.03)
    assert abs(noise.mean().item()) < 0.03


def test_weak_noise_comes_before_the_last_stretch(load, digits: Digits, monkeypatch):
    module, net = load("confused_convolution"), digits.model()
    monkeypatch.setattr(module, "CONFUSION", 0.0)
    monkeypatch.setattr(module, "LEARNING_RATE", 0.0)
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    parameters = {name for name, _ in net.named_parameters()}
    assert changed(digits.weights, snapshot(net)) & parameters == {"conv1.weight"}
    noise = net.conv1.weight.detach() - digits.weights["conv1.weight"]
    assert noise.std().item() == pytest.approx(module.LAST_NOISE, rel=0.3)


def test_rare_classes_weigh_little(load):
    module = load("confused_convolution")
    targets = torch.tensor([0] * 10 + [1] * 9 + [2] * 3)
    weights = module.class_weights(targets)
    torch.testing.assert_close(weights, torch.tensor([1.0, 1.0, 0.05]))
    torch.manual_seed(0)
    logits = torch.randn(len(targets), 3)
    expected = cross_entropy(logits, targets, weight=weights)
    torch.testing.assert_close(module.weighted_loss(logits, targets, weights), expected)


# --- 4th: prune_reinit


def test_prunes_the_smallest_of_all_and_starts_them_again(load, digits: Digits):
    module, net = load("prune_reinit"), digits.model()
    torch.manual_seed(0)
    module.prune_and_reinitialise(net)
    after = snapshot(net)
    assert after.keys() == digits.weights.keys()
    layers = {f"{n}." for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    names = [n for n in after if n.removesuffix("weight").removesuffix("bias") in layers]
    assert changed(digits.weights, after) <= set(names)
    old, new = (torch.cat([w[n].flatten() for n in names]) for w in (digits.weights, after))
    pruned = old != new
    assert pruned.sum() == round(module.PRUNED * len(old))
    assert old[pruned].abs().max() <= old[~pruned].abs().min()


def test_fresh_values_are_uniform_within_one_over_the_root_of_the_inputs(load, monkeypatch):
    module, net = load("prune_reinit"), resnet18()
    monkeypatch.setattr(module, "PRUNED", 1.0)
    module.prune_and_reinitialise(net)
    for layer in prunable(net):
        bound = layer.weight[0].numel() ** -0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not net.fc.bias.any()


def test_entropy_is_that_of_the_answer(load):
    torch.manual_seed(0)
    logits = 3 * torch.randn(6, 4)
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(load("prune_reinit").entropy(logits), expected)


def test_the_penalty_pulls_each_entropy_to_the_originals(load):
    module = load("prune_reinit")
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 4, requires_grad=True), torch.randint(4, (6,))
    weights, own = torch.rand(4) + 0.5, module.entropy(logits).detach()
    loss = module.matched_loss(logits, targets, weights, own)
    torch.testing.assert_close(loss, cross_entropy(logits, targets, weight=weights))
    for wanted in (own + 0.3, own - 0.3):
        penalty = module.matched_loss(logits, targets, weights, wanted) - loss
        assert penalty.item() == pytest.approx(0.3**2, rel=1e-4)
        (slope,) = torch.autograd.grad(penalty, logits, retain_graph=True)
        moved = module.entropy(logits.detach() - 0.1 * slope)
        assert ((wanted - moved).abs() < (wanted - own).abs()).all()


def test_the_penalty_takes_part_in_the_training(load, digits: Digits, monkeypatch):
    module, states = load("prune_reinit"), []
    for match in (0.0, module.MATCH):
        monkeypatch.setattr(module, "MATCH", match)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        states.append(snapshot(net))
    assert changed(*states)


def test_recalls_the_entropies_of_the_original(load, digits: Digits):
    module, net = load("prune_reinit"), digits.model()
    images, targets, entropies = module.recall(net, digits.loaders()[0])
    assert len(images) == len(targets) == len(digits.retain)
    torch.testing.assert_close(entropies, module.entropy(net(images)).detach())
