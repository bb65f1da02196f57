"""A model trained among others ends with the weights that it gets alone, whatever the recipe."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from harness import models
from harness.competition import Model, Training
from harness.data import Data
from harness.fused import Fused, Separate
from harness.reference.pools import RETRAINED, train_task
from harness.reference.training import initialise, train

DIGITS = Model("small_resnet", {"channels": 1, "classes": 5, "widths": [4, 8], "stem_stride": 2})
RESNET18 = Model("resnet18", {"num_classes": 5})
VIT = Model(
    "small_vit",
    {"num_classes": 5, "image_size": 16, "num_layers": 1, "hidden_dim": 16, "mlp_dim": 16},
)
ADAMW = Training(seed=0, epochs=2, batch_size=16, learning_rate=1e-3, weight_decay=1e-2)
ADAM = replace(ADAMW, optimizer="adam", class_weighted=True)
SGD = replace(ADAMW, optimizer="sgd", learning_rate=1e-2)


@pytest.fixture(autouse=True)
def double():
    """In float32, rounding grows within a few steps of a deep net, and hides what it is about."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def images_of(channels, size, count=42):
    """Random images, with many of class 0 and few of class 4."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, channels, size, size, generator=generator)
    return images, (torch.rand(count, generator=generator) ** 2 * 5).long()


def plain_loop(model, recipe, images, labels, seed, weight=None):
    """The recipe as anyone would write it, for one model, without the harness."""
    net = initialise(model, seed).train()
    kinds = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": lambda p, lr, weight_decay: torch.optim.SGD(p, lr, 0.9, weight_decay=weight_decay),
    }
    optimizer = kinds[recipe.optimizer](
        net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = recipe.epochs * -(-len(images) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    if recipe.class_weighted and weight is None:
        weight = 1 / labels.bincount()
    generator = torch.Generator().manual_seed(seed)
    for _ in range(recipe.epochs):
        for batch in torch.randperm(len(images), generator=generator).split(recipe.batch_size):
            optimizer.zero_grad()
            cross_entropy(net(images[batch]), labels[batch], weight=weight).backward()
            optimizer.step()
            schedule.step()
    return net.state_dict()


@pytest.mark.parametrize(
    ("model", "recipe", "data", "kind"),
    [
        (DIGITS, ADAMW, (1, 8), Fused),
        (DIGITS, ADAM, (1, 8), Fused),
        (DIGITS, SGD, (1, 8), Fused),
        (RESNET18, replace(SGD, class_weighted=True, epochs=1, batch_size=4), (3, 16, 8), Fused),
        (VIT, SGD, (3, 16), Separate),
    ],
)
def test_a_model_among_others_trains_to_the_same_weights_as_alone(model, recipe, data, kind):
    images, labels = images_of(*data)
    seeds = [3, 14]
    group = train(model, recipe, images, labels, seeds)
    assert isinstance(group, kind)
    states = group.states()
    for seed, state in zip(seeds, states, strict=True):
        alone = plain_loop(model, recipe, images, labels, seed)
        assert state.keys() == alone.keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-6)
    last = list(states[0])[-2]
    assert not torch.allclose(states[0][last], states[1][last], atol=1e-2)


def test_class_weights_make_a_difference():
    images, labels = images_of(1, 8)
    plain, weighted = (
        train(DIGITS, replace(SGD, class_weighted=value), images, labels, [3]).states()[0]
        for value in (False, True)
    )
    assert not torch.allclose(plain["fc.weight"], weighted["fc.weight"], atol=1e-3)


def test_a_model_may_be_trained_on_its_own_part_of_the_images():
    images, labels = images_of(1, 8)
    rows = torch.stack([torch.arange(0, 42, 2), torch.arange(1, 42, 2)], dim=1)
    states = train(DIGITS, ADAM, images, labels, [3, 14], rows).states()
    for seed, own, state in zip([3, 14], rows.T, states, strict=True):
        weight = 1 / labels[own].bincount()
        alone = plain_loop(DIGITS, ADAM, images[own], labels[own], seed, weight)
        for name, tensor in alone.items():
            torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-6)


def test_bfloat16_changes_little_and_leaves_the_weights_whole():
    images, labels = images_of(1, 8)
    torch.set_default_dtype(torch.float32)
    images = images.float()
    full, reduced = (
        train(DIGITS, replace(SGD, bfloat16=value), images, labels, [3, 14]).states()[0]
        for value in (False, True)
    )
    assert reduced["fc.weight"].dtype == torch.float32
    assert not torch.equal(full["conv1.weight"], reduced["conv1.weight"])
    torch.testing.assert_close(full["conv1.weight"], reduced["conv1.weight"], rtol=0, atol=0.02)


class Hungry(models.SmallResNet):
    """Stands side by side only eight times: with more, memory ends as on a GPU."""

    def forward(self, x):
        if x.shape[1] > 8:
            raise torch.OutOfMemoryError("no room for so many models")
        return super().forward(x)


def test_a_reference_is_trained_in_smaller_groups_where_memory_ends():
    torch.set_default_dtype(torch.float32)
    columns = {
        "image": np.random.default_rng(0).random((42, 1, 8, 8), np.float32),
        "label": np.arange(42) % 5,
    }
    observed = Data(columns, columns, columns, columns, 5, "")
    hungry = Model("tests.reference.test_training:Hungry", DIGITS.arguments)
    (_, some, _), (_, whole, _) = (
        train_task(model, SGD, observed, (RETRAINED, 0)) for model in (hungry, DIGITS)
    )
    assert len(some) == len(whole) == 32
    np.testing.assert_allclose(some.forget_logits, whole.forget_logits, atol=1e-2)
    assert len(np.unique(some.forget_logits[:, 0, 0])) == 32


def dropping(classes):
    """What a host's own model may do: draw random numbers while it trains."""
    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, classes))


def test_a_model_with_dropout_follows_from_its_seed_alone():
    images, labels = images_of(1, 8)
    model = Model("tests.reference.test_training:dropping", {"classes": 5})
    among = train(model, ADAMW, images, labels, [3, 4]).states()[1]
    torch.manual_seed(1)
    alone = train(model, ADAMW, images, labels, [4]).states()[0]
    assert all(torch.equal(among[name], tensor) for name, tensor in alone.items())


@pytest.mark.parametrize("model", [DIGITS, VIT], ids=["fused", "separate"])
def test_models_with_labels_and_rows_of_their_own_end_as_they_would_alone(model):
    channels, size = (1, 8) if model is DIGITS else (3, 16)
    images, first = images_of(channels, size)
    labels = torch.stack([first, (first + 1) % 5], dim=1)
    order = torch.Generator().manual_seed(1)
    rows = torch.stack([torch.randperm(42, generator=order)[:40] for _ in range(2)], dim=1)
    states = train(model, ADAM, images, labels, [3, 4], rows).states()
    for i, (seed, state) in enumerate(zip((3, 4), states, strict=True)):
        chosen = rows[:, i]
        alone = train(model, ADAM, images[chosen], labels[chosen, i], [seed]).states()[0]
        for name, tensor in alone.items():
            torch.testing.assert_close(state[name], tensor, msg=name)
