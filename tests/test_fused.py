"""Models side by side give what each gives alone, fused where that is possible."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from harness import models
from harness.competition import Model
from harness.fused import Fused, Separate, together
from harness.reference.training import initialise

MODEL = Model("small_resnet", {"channels": 1, "classes": 10, "widths": [4, 8], "stem_stride": 2})


class Mixed(nn.Module):
    """All its layers can be fused, but its forward mixes the channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.fc = nn.Linear(6, 4, bias=False)

    def forward(self, x):
        x = self.conv(x).mean((2, 3))
        return self.fc(x - x.mean(1, keepdim=True))


def plain(*layers):
    return nn.Sequential(nn.Conv2d(3, 6, 3), *layers, nn.Flatten(), nn.Linear(6, 4, bias=False))


@pytest.mark.parametrize(
    ("build", "channels"),
    [
        (lambda: models.build(MODEL.architecture, **MODEL.arguments), 1),
        (lambda: resnet18(num_classes=5), 3),
        (lambda: plain(nn.AdaptiveAvgPool2d(1)), 3),
    ],
)
@pytest.mark.parametrize("kind", [Fused, Separate])
def test_logits_are_each_models_own(kind, build, channels):
    members = [build().eval() for _ in range(3)]
    fused = kind(members[0], [m.state_dict() for m in members]).eval()
    shared = torch.randn(4, channels, 32, 32)
    own = torch.randn(4, 3, channels, 32, 32)
    with torch.no_grad():
        for i, member in enumerate(members):
            torch.testing.assert_close(fused(shared)[:, i], member(shared), rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(fused(own)[:, i], member(own[:, i]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", [Fused, Separate])
def test_states_give_back_what_was_put_in(kind):
    members = [initialise(MODEL, seed) for seed in range(2)]
    before = copy.deepcopy(members[0].state_dict())
    states = kind(members[0], [m.state_dict() for m in members]).states()
    for member, state in zip(members, states, strict=True):
        for name, tensor in member.state_dict().items():
            assert torch.equal(state[name], tensor)
    assert all(torch.equal(before[n], t) for n, t in members[0].state_dict().items())


def test_a_layer_that_cannot_be_fused_is_named():
    net = nn.Sequential(nn.LayerNorm(4))
    with pytest.raises(TypeError, match="LayerNorm"):
        Fused(net, [net.state_dict()])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: models.build("small_resnet", channels=3, classes=4, widths=[4, 8]), Fused),
        (lambda: models.build("resnet18", num_classes=4), Fused),
        (lambda: plain(nn.AdaptiveAvgPool2d(1)), Fused),
        (lambda: models.build("small_vit", num_classes=4), Separate),
        (lambda: plain(nn.AdaptiveAvgPool2d(1), nn.Dropout()), Separate),
        (lambda: plain(nn.GroupNorm(2, 6), nn.AdaptiveAvgPool2d(1)), Separate),
        (Mixed, Separate),
    ],
)
def test_models_stand_together_in_the_way_that_gives_the_same_logits(build, expected):
    net = build()
    before = copy.deepcopy(net.state_dict())
    state = torch.random.get_rng_state()
    assert together(net, torch.zeros(3, 32, 32)) is expected
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
