"""Methods that use a Fisher or a Hessian matrix, against the same matrix by brute force."""

from itertools import islice

import pytest
import torch
from torch.autograd.functional import hessian
from torch.nn.functional import cross_entropy

from tests.submissions.conftest import (
    Digits,
    changed,
    gradients_one_by_one,
    loss_on,
    snapshot,
)


def uncertain(digits: Digits):
    """The original with its confidence taken down: its gradients are not all near zero."""
    net = digits.model()
    with torch.no_grad():
        net.fc.weight /= 4
    return net


@pytest.mark.parametrize("name", ["fisher_noise", "ewc_unlearning", "natural_gradient_removal"])
@pytest.mark.parametrize("held", [1, 7, 24])
def test_fisher_diagonal_by_brute_force(load, digits: Digits, monkeypatch, name, held):
    module, net = load(name), uncertain(digits)
    images = digits.retain.columns["image"][:24]
    monkeypatch.setattr(module, "FLOATS", held * sum(p.numel() for p in net.parameters()))
    torch.manual_seed(0)
    fisher = module.fisher_diagonal(net, [(images[:16], None), (images[16:], None)])
    torch.manual_seed(0)
    labels = torch.cat(
        [
            net(part).softmax(1).multinomial(1).squeeze(1)
            for batch in (images[:16], images[16:])
            for part in batch.split(held)
        ]
    )
    for key, gradients in gradients_one_by_one(net, images, labels).items():
        torch.testing.assert_close(fisher[key], gradients.square().mean(0), rtol=1e-3, atol=1e-7)


def test_ssd_importance_by_brute_force(load, digits: Digits):
    net, columns = uncertain(digits), digits.forget.columns
    images, labels = columns["image"][:24], columns["age_group"][:24]
    batches = [(images[:16], labels[:16]), (images[16:], labels[16:])]
    importance = load("ssd").importance(net, batches)
    for key, gradients in gradients_one_by_one(net, images, labels).items():
        torch.testing.assert_close(
            importance[key], gradients.square().mean(0), rtol=1e-3, atol=1e-7
        )


def test_fisher_noise_is_one_deviation_a_filter_and_bounded(load):
    module = load("fisher_noise")
    fisher = torch.rand(8, 4, 3, 3)
    fisher[0] = 0
    deviation = module.noise_deviation(fisher)
    assert deviation.shape == (8, 1, 1, 1)
    assert deviation[0] == module.LARGEST
    expected = module.NOISE * fisher[1:].mean((1, 2, 3)) ** -0.25
    torch.testing.assert_close(deviation[1:].flatten(), expected.clamp_max(module.LARGEST))


def test_fisher_noise_adds_what_it_says_and_more_to_the_head(load, digits: Digits, monkeypatch):
    module, net = load("fisher_noise"), digits.model()
    monkeypatch.setattr(module, "NOISE", 1e9)  # so that every weight gets the most there is
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    head, body = [], []
    for name, parameter in net.named_parameters():
        of = head if name.startswith("fc") else body
        of.append((parameter - digits.weights[name]).flatten())
    assert torch.cat(body).std().item() == pytest.approx(module.LARGEST, rel=0.05)
    assert torch.cat(head).std().item() == pytest.approx(module.HEAD * module.LARGEST, rel=0.15)
    assert not changed(digits.weights, snapshot(net)) & {name for name, _ in net.named_buffers()}


def test_influence_solves_the_damped_fisher_system(load):
    module = load("influence_unlearning")
    torch.manual_seed(0)
    gradients, vector = torch.randn(20, 50).double(), torch.randn(50).double()
    matrix = gradients.T @ gradients / 20 + module.DAMPING * torch.eye(50).double()
    product = module.inverse_fisher_product(gradients, vector)
    torch.testing.assert_close(matrix @ product, vector)


def test_influence_gradients(load, digits: Digits, monkeypatch):
    module, net = load("influence_unlearning"), uncertain(digits)
    retain, forget, _ = digits.loaders()
    monkeypatch.setattr(module, "EXAMPLES", 70)
    torch.manual_seed(0)
    each = module.gradients(net, retain)
    torch.manual_seed(0)
    images, labels = (torch.cat(part)[:70] for part in zip(*retain, strict=True))
    expected = gradients_one_by_one(net, images, labels)
    flat = torch.cat([g.flatten(1) for g in expected.values()], 1)
    torch.testing.assert_close(each, flat, rtol=1e-3, atol=1e-5)

    columns = digits.forget.columns
    expected = gradients_one_by_one(net, columns["image"], columns["age_group"])
    flat = torch.cat([g.flatten(1).sum(0, keepdim=True) for g in expected.values()], 1)
    total = module.forget_gradient(net, forget)
    torch.testing.assert_close(total, flat[0], rtol=1e-3, atol=1e-4)


def test_influence_holds_no_more_gradients_than_fit(load, digits: Digits, monkeypatch):
    module, net = load("influence_unlearning"), digits.model()
    monkeypatch.setattr(module, "FLOATS", 5 * sum(p.numel() for p in net.parameters()))
    assert len(module.gradients(net, digits.loaders()[0])) == 5


@pytest.mark.parametrize(
    "name", ["influence_unlearning", "natural_gradient_removal", "ewc_unlearning"]
)
def test_moves_away_from_the_forget_set(load, digits: Digits, monkeypatch, name):
    module, net = load(name), digits.model()
    monkeypatch.setattr(module, "SCALE", 0.01, raising=False)  # a long step harms either way
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    assert loss_on(net, digits.forget) > loss_on(digits.model(), digits.forget)


def test_newton_gradient_and_hessian_of_the_head(load):
    module = load("last_layer_newton")
    torch.manual_seed(0)
    x, labels = torch.randn(30, 5).double(), torch.randint(3, (30,))
    weights, direction = torch.randn(3, 5).double(), torch.randn(3, 5).double()

    def loss(weights):
        return cross_entropy(x @ weights.T, labels, reduction="sum")

    gradient = torch.autograd.functional.jacobian(loss, weights)
    torch.testing.assert_close(module.gradient(x, labels, weights), gradient)
    full = hessian(loss, weights).reshape(15, 15) + module.DAMPING * 30 * torch.eye(15).double()
    product = module.hessian(x, weights)(direction)
    torch.testing.assert_close(product.flatten(), full @ direction.flatten())


def test_newton_solves_the_damped_system_to_tolerance(load, digits: Digits):
    module, net = load("last_layer_newton"), digits.model()
    retain, forget, _ = digits.loaders()
    with torch.no_grad():
        kept, _ = module.features(net, net.fc, retain)
        lost, labels = module.features(net, net.fc, forget)
        weights = torch.cat([net.fc.weight, net.fc.bias[:, None]], 1).double()
        product = module.hessian(kept, weights)
        target = module.gradient(lost, labels, weights)
        step = module.conjugate_gradients(product, target)
        assert (product(step) - target).norm() < 2 * module.TOLERANCE * target.norm()


def test_newton_takes_that_step_on_the_head_and_noise_elsewhere(load, digits: Digits, monkeypatch):
    module, net, twin = load("last_layer_newton"), digits.model(), digits.model()
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    others = [
        (p - digits.weights[n]).flatten()
        for n, p in net.named_parameters()
        if not n.startswith("fc")
    ]
    assert torch.cat(others).std().item() == pytest.approx(module.NOISE, rel=0.03)

    monkeypatch.setattr(module, "NOISE", 0.0)
    module.unlearning(twin, *digits.loaders())
    assert changed(digits.weights, snapshot(twin)) == {"fc.weight", "fc.bias"}
    assert loss_on(twin, digits.forget) > loss_on(digits.model(), digits.forget)

    original, (retain, forget, _) = digits.model(), digits.loaders()
    kept, _ = module.features(original, original.fc, retain)
    lost, labels = module.features(original, original.fc, forget)
    with torch.no_grad():
        head = torch.cat([original.fc.weight, original.fc.bias[:, None]], 1).double()
        system, target = module.hessian(kept, head), module.gradient(lost, labels, head)
        moved = torch.cat([twin.fc.weight, twin.fc.bias[:, None]], 1).double() - head
        assert (system(moved) - target).norm() < 0.01 * target.norm()


def test_ewc_penalty_gradient_by_finite_differences(load):
    module = load("ewc_unlearning")
    torch.manual_seed(0)
    start, fisher = {"w": torch.randn(4, 3).double()}, {"w": torch.rand(4, 3).double()}
    weight = torch.randn(4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda w: module.penalty({"w": w}, start, fisher, size=850), weight
    )


def test_ewc_penalty_value(load, monkeypatch):
    module = load("ewc_unlearning")
    monkeypatch.setattr(module, "DAMPING", 3.0)
    start, weight = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([3.0, 1.0])}
    fisher = {"w": torch.tensor([0.5, 0.0])}
    # 10/2 * 0.5 * 2^2 + 3/2 * (2^2 + 1^2)
    assert module.penalty(weight, start, fisher, size=10).item() == pytest.approx(17.5)


def test_ewc_stays_nearer_under_a_stronger_penalty(load, digits: Digits, monkeypatch):
    module, distances = load("ewc_unlearning"), []
    for damping in (0.1, 1e4):
        monkeypatch.setattr(module, "DAMPING", damping)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        moved = [(p - digits.weights[n]).square().sum() for n, p in net.named_parameters()]
        distances.append(sum(moved).item())
    assert distances[1] < distances[0] / 2


def test_natural_gradient_step(load, digits: Digits):
    module, net = load("natural_gradient_removal"), digits.model()
    torch.manual_seed(0)
    fisher = module.fisher_diagonal(net, islice(digits.loaders()[0], module.BATCHES))
    columns = digits.forget.columns
    loss = cross_entropy(net(columns["image"]), columns["age_group"], reduction="sum")
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    torch.manual_seed(0)  # the same batches, and labels drawn for them
    module.unlearning(net, *digits.loaders())
    mean = torch.cat([f.flatten() for f in fisher.values()]).mean()
    for (name, p), gradient in zip(net.named_parameters(), gradients, strict=True):
        step = module.STEP * gradient / (fisher[name] + module.DAMPING * mean)
        torch.testing.assert_close(p, digits.weights[name] + step)


def test_ssd_dampens_what_the_forget_set_needs_most(load, monkeypatch):
    module = load("ssd")
    training = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])
    forget = torch.tensor([1.0, module.SELECTION, 2 * module.SELECTION, 1.0, 0.0])
    expected = [1.0, 1.0, module.DAMPENING / (2 * module.SELECTION), 0.0, 1.0]
    assert module.factor(training, forget).tolist() == pytest.approx(expected)
    monkeypatch.setattr(module, "DAMPENING", 100.0)
    assert module.factor(training, forget).max() == 1


def test_ssd_only_shrinks_weights(load, digits: Digits):
    net = digits.model()
    torch.manual_seed(0)
    load("ssd").unlearning(net, *digits.loaders())
    for name, parameter in net.named_parameters():
        before = digits.weights[name]
        assert (parameter.abs() <= before.abs()).all()
        assert (parameter * before >= 0).all()
    names = {name for name, _ in net.named_parameters()}
    assert changed(digits.weights, snapshot(net)) <= names
