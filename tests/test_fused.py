"""A model trained among others ends with the weights that it gets alone."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18

from harness import models
from harness.competition import Model, Training
from harness.fused import Fused
from reference.training import initialise, train

MODEL = Model("small_resnet", {"channels": 1, "classes": 10, "widths": [4, 8], "stem_stride": 2})
RECIPE = Training(seed=0, epochs=2, batch_size=16, learning_rate=1e-2, weight_decay=1e-2)


@pytest.fixture
def digits():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(70, 1, 8, 8, generator=generator)
    return images, torch.randint(10, (70,), generator=generator)


def plain_loop(images, labels, seed):
    """The recipe as anyone would write it, for one model, without the harness."""
    net = initialise(MODEL, seed).train()
    optimizer = torch.optim.AdamW(
        net.parameters(), RECIPE.learning_rate, weight_decay=RECIPE.weight_decay
    )
    steps = RECIPE.epochs * -(-len(images) // RECIPE.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(RECIPE.epochs):
        for batch in torch.randperm(len(images), generator=generator).split(RECIPE.batch_size):
            optimizer.zero_grad()
            cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return net.state_dict()


def test_a_fused_model_trains_to_the_same_weights_as_alone(digits):
    seeds = [3, 14, 15]
    fused = train(MODEL, RECIPE, *digits, seeds).states()
    for seed, state in zip(seeds, fused, strict=True):
        alone = plain_loop(*digits, seed)
        assert state.keys() == alone.keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(state[name], tensor, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(fused[0]["fc.weight"], fused[1]["fc.weight"], atol=1e-2)


@pytest.mark.parametrize(
    ("build", "channels"),
    [
        (lambda: models.build(MODEL.architecture, **MODEL.arguments), 1),
        (lambda: resnet18(num_classes=5), 3),
    ],
)
def test_fused_logits_are_each_models_own(build, channels):
    members = [build().eval() for _ in range(3)]
    fused = Fused(members[0], [m.state_dict() for m in members]).eval()
    shared = torch.randn(4, channels, 32, 32)
    own = torch.randn(4, 3, channels, 32, 32)
    with torch.no_grad():
        for i, member in enumerate(members):
            torch.testing.assert_close(fused(shared)[:, i], member(shared), rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(fused(own)[:, i], member(own[:, i]), rtol=1e-3, atol=1e-4)


def test_states_give_back_what_was_fused():
    members = [initialise(MODEL, seed) for seed in range(2)]
    before = copy.deepcopy(members[0].state_dict())
    states = Fused(members[0], [m.state_dict() for m in members]).states()
    for member, state in zip(members, states, strict=True):
        for name, tensor in member.state_dict().items():
            assert torch.equal(state[name], tensor)
    assert all(torch.equal(before[n], t) for n, t in members[0].state_dict().items())


def test_a_layer_that_cannot_be_fused_is_named():
    net = torch.nn.Sequential(torch.nn.LayerNorm(4))
    with pytest.raises(TypeError, match="LayerNorm"):
        Fused(net, [net.state_dict()])
