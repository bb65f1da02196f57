"""What every shipped submission has to do, whatever its method."""

import pytest
import torch

from harness import submission
from tests.submissions.conftest import SUBMISSIONS, Digits, changed, snapshot

DETERMINISTIC = {"noop", "neggrad"}  # the second, since all of the digits' forget set is a batch
NAMES = [
    "bad_teacher",
    "confused_convolution",
    "energy_alignment",
    "ewc_unlearning",
    "finetune",
    "finetune_noise",
    "fisher_noise",
    "forget_contrast",
    "influence_unlearning",
    "l1_sparse",
    "last_layer_newton",
    "lora_finetune",
    "natural_gradient_removal",
    "neggrad",
    "neggrad_plus",
    "noise_injection",
    "noop",
    "prune_reinit",
    "reset_and_distil",
    "retrain",
    "salun",
    "scrub",
    "small_gradient_reinit",
    "sparse_finetune",
    "srfl",
    "ssd",
    "stochastic_reinit",
    "template",
    "transposed_convolutions",
]
FORGET_UNUSED = [
    "confused_convolution",
    "finetune",
    "finetune_noise",
    "fisher_noise",
    "l1_sparse",
    "lora_finetune",
    "noise_injection",
    "prune_reinit",
    "retrain",
    "sparse_finetune",
    "stochastic_reinit",
    "template",
]


def unlearned(module, net, loaders, seed):
    torch.manual_seed(seed)
    out = module.unlearning(net, *loaders)
    return snapshot(net if out is None else out)


def assert_same_form(state, before):
    assert state.keys() == before.keys()
    for name, tensor in state.items():
        assert tensor.shape == before[name].shape, name
        assert tensor.dtype == before[name].dtype, name
        assert tensor.device == before[name].device, name
        assert tensor.isfinite().all(), name


@pytest.mark.parametrize("name", NAMES)
def test_leaves_sound_weights_that_depend_on_the_seed_alone(name, load, digits: Digits):
    first, again, other = (
        unlearned(load(name), digits.model(), digits.loaders(), seed) for seed in (1, 1, 2)
    )
    assert_same_form(first, digits.weights)
    assert bool(changed(first, digits.weights)) == (name != "noop")
    assert not changed(first, again)
    assert name in DETERMINISTIC or changed(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_works_on_a_torchvision_resnet(name, load, faces, monkeypatch):
    net, loaders = faces
    module = load(name)
    if hasattr(module, "EPOCHS"):
        monkeypatch.setattr(module, "EPOCHS", min(module.EPOCHS, 2))
    before = snapshot(net)
    after = unlearned(module, net, loaders, seed=1)
    assert_same_form(after, before)


@pytest.mark.parametrize("name", FORGET_UNUSED)
def test_needs_no_forget_set(name, load, digits: Digits):
    retain, _, _ = digits.loaders()
    load(name).unlearning(digits.model(), retain, None, None)


@pytest.mark.parametrize("name", NAMES)
def test_stands_alone(name):
    imports = submission.read(SUBMISSIONS / f"{name}.py").imports
    assert {module.split(".")[0] for module in imports} <= {"torch", "torchvision", "numpy"}
