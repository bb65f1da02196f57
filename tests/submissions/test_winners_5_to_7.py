"""The challenge's fifth to seventh places: what each erases, keeps and asks of its losses."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.models import resnet18

from harness.batches import Split
from tests.submissions.conftest import Digits, changed, snapshot


def prunable(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@torch.no_grad()
def answers(net, split):
    return net.eval()(split.columns["image"])


# --- 5th: transposed_convolutions


def test_a_transposed_network_sees_mirrored_images_as_before(load, digits: Digits):
    net = digits.model()
    images = digits.retain.columns["image"][:32]
    with torch.no_grad():
        before = net(images)
        load("transposed_convolutions").transpose(net)
        torch.testing.assert_close(net(images.transpose(2, 3)), before, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(net(images), before, atol=0.1)


def test_kernels_that_are_not_square_stay(load):
    layer = nn.Conv2d(1, 1, (1, 3))
    before = snapshot(layer)
    load("transposed_convolutions").transpose(layer)
    assert not changed(before, snapshot(layer))


def test_chance_chooses_between_the_two_ways(load, digits: Digits, monkeypatch):
    """Without training, the first way leaves transposed kernels and the second the original."""
    module, ways = load("transposed_convolutions"), []
    monkeypatch.setattr(module, "EPOCHS", 0)
    for seed in range(60):
        net = digits.model()
        torch.manual_seed(seed)
        module.unlearning(net, *digits.loaders())
        ways.append(bool(changed(digits.weights, snapshot(net))))
    assert 0.25 < sum(ways) / len(ways) < 0.75


def test_mistakes_are_wrong_answers_given_with_confidence(load, digits: Digits, monkeypatch):
    module, right = load("transposed_convolutions"), digits.model()
    torch.manual_seed(0)
    scratch = module.fresh(right).eval()
    images, targets = (digits.forget.columns[k] for k in ("image", "age_group"))
    with torch.no_grad():
        confidence, labels = scratch(images).softmax(1).max(1)
        assert (right(images).argmax(1) == targets).all()
    threshold = confidence.median().item()
    monkeypatch.setattr(module, "CONFIDENCE", threshold)
    mistakes = module.probable_mistakes(right, scratch, digits.loaders()[1])
    chosen = (labels != targets) & (confidence >= threshold)
    assert 0 < len(mistakes) == chosen.sum()
    wrong = {(i.numpy().tobytes(), a.item()) for i, a in zip(images, labels, strict=True)}
    assert {(i.numpy().tobytes(), a.item()) for i, a in mistakes} <= wrong
    # What only the fine-tuned model gets wrong counts without any confidence.
    monkeypatch.setattr(module, "CONFIDENCE", 2.0)
    found = module.probable_mistakes(scratch, right, digits.loaders()[1])
    assert len(found) == (labels != targets).sum()


def test_the_second_way_teaches_the_mistakes(load, digits: Digits):
    module, (retain, _, _) = load("transposed_convolutions"), digits.loaders()
    images, targets = (digits.forget.columns[k] for k in ("image", "age_group"))
    wrong = (targets + 1) % 10
    losses = []
    for mistakes in ([], list(zip(images, wrong, strict=True))):
        net = digits.model()
        torch.manual_seed(0)
        batches = module.with_mistakes(retain, mistakes)
        assert len(batches.dataset) == len(digits.retain) + len(mistakes)
        module.train(net, batches, 14)
        losses.append(cross_entropy(answers(net, digits.forget), wrong).item())
    assert losses[1] < 0.5 * losses[0]


# --- 6th: reset_and_distil


def test_resets_the_first_and_the_last_layer_alone(load, digits: Digits):
    module = load("reset_and_distil")
    for net in (digits.model(), resnet18()):
        before = snapshot(net)
        module.reset_ends(net)
        assert changed(before, snapshot(net)) == {"conv1.weight", "fc.weight", "fc.bias"}


def test_of_several_convolutions_and_linear_layers_the_outermost_are_reset(load):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Linear(2, 2), nn.Linear(2, 2))
    before = snapshot(net)
    load("reset_and_distil").reset_ends(net)
    touched = {name.split(".")[0] for name in changed(before, snapshot(net))}
    assert touched == {"0", "3"}


def test_divergence_is_that_of_the_softened_answers(load):
    torch.manual_seed(0)
    student, teacher = torch.randn(6, 4), torch.randn(6, 4)
    p, q = (teacher / 5).softmax(1), (student / 5).softmax(1)
    expected = (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(load("reset_and_distil").divergence(student, teacher), expected)


def test_warms_up_on_the_validation_set_without_its_labels(load, digits: Digits, monkeypatch):
    module, distances = load("reset_and_distil"), []
    monkeypatch.setattr(module, "EPOCHS", 0)
    unlabelled = {**digits.validation.columns, "age_group": torch.full((300,), -1)}
    for warm_ups in (0, 2):
        monkeypatch.setattr(module, "WARM_UPS", warm_ups)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, [], None, DataLoader(Split(unlabelled), batch_size=64))
        student, teacher = (answers(n, digits.validation) for n in (net, digits.model()))
        distances.append(module.divergence(student, teacher).item())
    assert distances[1] < 0.75 * distances[0]


def test_the_retain_pass_learns_both_from_teacher_and_labels(load, digits: Digits, monkeypatch):
    module, nearness, losses = load("reset_and_distil"), {}, {}
    monkeypatch.setattr(module, "WARM_UPS", 0)
    for soft in (0.0, 50.0):
        monkeypatch.setattr(module, "SOFT", soft)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, digits.loaders()[0], None, [])
        student, teacher = (answers(n, digits.retain) for n in (net, digits.model()))
        nearness[soft] = module.divergence(student, teacher).item()
        losses[soft] = cross_entropy(student, digits.retain.columns["age_group"]).item()
    assert nearness[50.0] < nearness[0.0]
    assert losses[0.0] < 1.5


# --- 7th: noise_injection


def test_only_the_head_starts_again(load, digits: Digits, monkeypatch):
    module, net = load("noise_injection"), digits.model()
    monkeypatch.setattr(module, "EPOCHS", 0)
    monkeypatch.setattr(module, "ROUNDS", 0)
    module.unlearning(net, *digits.loaders())
    assert changed(digits.weights, snapshot(net)) == {"fc.weight", "fc.bias"}


def test_each_round_chooses_other_layers(load, digits: Digits):
    module, layers = load("noise_injection"), prunable(digits.model())
    chosen = [module.choose(layers) for _ in range(60)]
    assert {len(c) for c in chosen} == {round(len(layers) / 3)}
    assert {id(layer) for c in chosen for layer in c} == {id(layer) for layer in layers}


def test_a_round_puts_noise_on_most_of_what_it_chose(load, digits: Digits, monkeypatch):
    module = load("noise_injection")
    monkeypatch.setattr(module, "EPOCHS", 0)
    monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(module, "CHOSEN", 1.0)
    net = digits.model()
    module.unlearning(net, *digits.loaders())
    touched = changed(digits.weights, snapshot(net)) - {"fc.weight", "fc.bias"}
    assert all(digits.weights[name].dim() == 4 for name in touched)
    assert len(touched) in (6, 7)  # of 10 layers 7, and the head may be among them


def test_noise_is_in_proportion_to_the_layers_own_weights(load):
    module = load("noise_injection")
    layer = nn.Conv2d(64, 64, 3)
    before = layer.weight.detach().clone()
    torch.manual_seed(0)
    module.add_noise([layer])
    noise = (layer.weight - before).detach()
    assert noise.std().item() == pytest.approx(module.NOISE * before.std().item(), rel=0.02)


def test_a_round_trains_what_it_chose_and_the_norms(load, digits: Digits):
    module, net = load("noise_injection"), digits.model()
    chosen = [net.layer2[0].conv1]
    parameters = {name for name, _ in net.named_parameters()}
    norms = {n for n in parameters if digits.weights[n].dim() == 1 and n != "fc.bias"}
    batches = module.endless(digits.loaders()[0])
    net.train()
    module.train(net, module.trained(net, chosen), batches, 3)
    touched = changed(digits.weights, snapshot(net)) & parameters
    assert touched == norms | {"layer2.0.conv1.weight"}
    module.train(net, net.parameters(), batches, 1)
    assert changed(digits.weights, snapshot(net)) >= parameters


def test_rounds_leave_the_layers_alone_that_they_did_not_choose(load, digits: Digits, monkeypatch):
    module, net = load("noise_injection"), digits.model()
    settings = {"STAGES": (0, 1, 0), "ROUNDS": 2, "CHOSEN": 0.0}  # one layer a round
    for name, value in settings.items():
        monkeypatch.setattr(module, name, value)
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    touched = changed(digits.weights, snapshot(net)) - {"fc.weight", "fc.bias"}
    assert 1 <= sum(digits.weights[name].dim() == 4 for name in touched) <= 2
