"""Methods with a teacher, with masked weights, and with adapters."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from tests.submissions.conftest import Digits, changed, snapshot


def in_blocks(names, blocks):
    return all(name.split(".")[0] in blocks for name in names)


def test_srfl_trains_the_first_two_blocks_only(load, digits: Digits, faces):
    module = load("srfl")
    for net, loaders in ((digits.model(), digits.loaders()), faces):
        before = snapshot(net)
        module.unlearning(net, *loaders)
        touched = changed(before, snapshot(net))
        assert in_blocks(touched, {"layer1", "layer2"})
        for block in ("layer1", "layer2"):
            assert {n for n, _ in net.named_parameters() if n.startswith(block)} <= touched


def test_srfl_rolls_by_at_most_one_class(load):
    torch.manual_seed(0)
    logits = torch.eye(5)[:1]
    places = {load("srfl").roll(logits).argmax().item() for _ in range(100)}
    assert places == {4, 0, 1}


@pytest.mark.parametrize("name", ["srfl", "scrub", "bad_teacher"])
def test_divergence_is_that_of_the_answer_from_the_teachers(load, name):
    module = load(name)
    torch.manual_seed(0)
    student, teacher = torch.randn(6, 4), torch.randn(6, 4)
    t = getattr(module, "TEMPERATURE", 1.0)
    p, q = (teacher / t).softmax(1), (student / t).softmax(1)
    expected = (p * (p / q).log()).sum(1).mean() * (t**2 if name == "scrub" else 1)
    torch.testing.assert_close(module.divergence(student, teacher), expected)


@torch.no_grad()
def distance(module, net, teacher, split):
    images = split.columns["image"]
    return module.divergence(net.eval()(images), teacher(images)).item()


def test_scrub_defies_on_forget_more_than_on_retain(load, digits: Digits, monkeypatch):
    module, teacher = load("scrub"), digits.model()
    found = []
    for max_epochs in (0, 2):
        monkeypatch.setattr(module, "MAX_EPOCHS", max_epochs)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        found.append([distance(module, net, teacher, s) for s in (digits.forget, digits.retain)])
    (obedient, _), (defiant, kept) = found
    assert defiant > 1.5 * obedient
    assert defiant > kept


def test_bad_teacher_flags_what_is_to_be_forgotten(load, digits: Digits):
    module = load("bad_teacher")
    retain, forget, _ = digits.loaders()
    batches = list(module.mixed_batches(retain, forget))
    images, flags = (torch.cat(part) for part in zip(*batches, strict=True))
    assert flags.sum() == len(digits.forget)
    assert (~flags).sum() == round(module.SHARE * len(digits.retain))
    for split, chosen in ((digits.forget, images[flags]), (digits.retain, images[~flags])):
        known = {image.numpy().tobytes() for image in split.columns["image"]}
        assert all(image.numpy().tobytes() in known for image in chosen)


def test_bad_teacher_is_ignorant_and_the_student_learns_from_it(load, digits: Digits):
    module, net = load("bad_teacher"), digits.model()
    torch.manual_seed(0)
    ignorant = module.fresh(net).eval()
    assert not changed(digits.weights, snapshot(net))
    assert changed(digits.weights, snapshot(ignorant)) >= {n for n, _ in net.named_parameters()}
    module.unlearning(net, *digits.loaders())
    nearer = [
        distance(module, net, ignorant, split) / distance(module, digits.model(), ignorant, split)
        for split in (digits.forget, digits.retain)
    ]
    assert nearer[0] < nearer[1] - 0.1


def test_salun_changes_the_salient_weights_only(load, digits: Digits):
    module, net = load("salun"), digits.model()
    saliency = module.salient(net, digits.loaders()[1])
    gradients = torch.cat([p.grad.abs().flatten() for p in net.parameters()])
    chosen = torch.cat([mask.flatten() for mask in saliency])
    assert chosen.sum() == round(module.SALIENT * len(chosen))
    assert gradients[chosen].min() >= gradients[~chosen].max()

    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    for (name, parameter), mask in zip(net.named_parameters(), saliency, strict=True):
        assert torch.equal(parameter[~mask], digits.weights[name][~mask])
    assert changed(digits.weights, snapshot(net))


def test_salun_teaches_random_labels_to_the_forget_set(load, digits: Digits):
    net, columns = digits.model(), digits.forget.columns
    torch.manual_seed(0)
    load("salun").unlearning(net, *digits.loaders())
    with torch.no_grad():
        confidence = [
            model.eval()(columns["image"]).softmax(1).amax(1).mean().item()
            for model in (net, digits.model())
        ]
    assert confidence[0] < confidence[1] - 0.02


def test_lora_merges_into_plain_layers(load, digits: Digits):
    module, net = load("lora_finetune"), digits.model()
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    assert snapshot(net).keys() == digits.weights.keys()
    assert [type(m) for m in net.modules()] == [type(m) for m in digits.model().modules()]
    assert not any(parametrize.is_parametrized(m) for m in net.modules())
    assert all(p.requires_grad and isinstance(p, nn.Parameter) for p in net.parameters())


def test_lora_changes_weights_by_a_low_rank_and_nothing_else(load, digits: Digits, monkeypatch):
    module, net = load("lora_finetune"), digits.model()
    monkeypatch.setattr(module, "RANK", 2)
    torch.manual_seed(0)
    module.unlearning(net, *digits.loaders())
    for name, parameter in net.named_parameters():
        change = (parameter - digits.weights[name]).detach()
        if change.dim() == 1:
            assert not change.any()  # batch norms and the head's bias
        else:
            values = torch.linalg.svdvals(change.flatten(1).double())
            assert values[0] > 1e-3
            assert (values[2:] < 1e-5 * values[0]).all()


def test_lora_starts_where_the_original_is(load, digits: Digits, monkeypatch):
    module, net = load("lora_finetune"), digits.model()
    monkeypatch.setattr(module, "EPOCHS", 0)
    module.unlearning(net, *digits.loaders())
    assert not changed(digits.weights, snapshot(net))
