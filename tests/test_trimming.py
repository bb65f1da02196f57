"""Kernels lose the taps that meet only padding, no others, and no output changes."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, cross_entropy
from torch.nn.utils.parametrizations import weight_norm

from harness import models
from harness.trimming import trimmed


def weights(net):
    return sum(parameter.numel() for parameter in net.parameters())


def conv(*arguments, **settings):
    return nn.Sequential(nn.Conv2d(3, 4, *arguments, **settings), nn.Flatten(), nn.LazyLinear(2))


def test_a_resnet18_at_32_pixels_is_left_with_38_percent_of_its_weights_and_the_same_outputs():
    torch.manual_seed(0)
    whole = models.build("resnet18", num_classes=10)
    (smaller,) = trimmed([whole], torch.zeros(3, 32, 32))
    assert weights(whole) == 11_181_642
    assert round(weights(smaller) / 1e6, 2) == 4.23
    kernels = {name: tuple(p.shape[2:]) for name, p in smaller.named_parameters() if p.dim() == 4}
    assert {k: n for n, k in kernels.items() if n.startswith("layer4")}.keys() == {(2, 2), (1, 1)}
    assert kernels["layer3.1.conv2.weight"] == (3, 3)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    for mode in (False, True):
        logits = [net.train(mode)(images) for net in (whole, smaller)]
        torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-6)
    for net in (whole, smaller):
        cross_entropy(net(images), labels).backward()
    name = "layer4.0.conv1"
    of_whole, of_smaller = (net.get_submodule(name).weight.grad for net in (whole, smaller))
    assert not of_whole[:, :, 0].any() and not of_whole[:, :, :, 0].any()
    torch.testing.assert_close(of_whole[:, :, 1:, 1:], of_smaller, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "image", "kernel"),
    [
        (conv(3, padding=1), (3, 1, 1), (1, 1)),
        (conv(3, padding=1), (3, 1, 4), (1, 3)),  # rows and columns apart
        (conv(3, padding=1), (3, 2, 2), (3, 3)),
        (conv(5, padding=2), (3, 2, 2), (3, 3)),
        (conv(3, padding=2, dilation=2), (3, 2, 2), (1, 1)),
        (conv(3, stride=2, padding=1), (3, 2, 2), (2, 2)),
        (conv(5, stride=4, padding=4), (3, 1, 1), (5, 5)),  # the first and the last are alive
        (conv(3, padding=1, padding_mode="circular"), (3, 1, 1), (3, 3)),
        (conv(3, padding="same"), (3, 1, 1), (3, 3)),
        (conv(2), (3, 2, 2), (2, 2)),
    ],
)
def test_a_tap_goes_if_it_meets_no_pixel(net, image, kernel):
    net(torch.zeros(1, *image))
    (smaller,) = trimmed([net], torch.zeros(image))
    assert smaller[0].weight.shape[2:] == kernel
    images = torch.randn(5, *image)
    torch.testing.assert_close(smaller(images), net(images))


class Twice(nn.Module):
    """One layer on images of two sizes; and, if asked, its weight without the layer."""

    def __init__(self, size=4, besides=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.size, self.besides = size, besides

    def forward(self, x):
        x = self.conv(x).flatten(2).mean(2)[..., None, None]
        wide = x.expand(-1, -1, self.size, self.size)
        again = conv2d(wide, self.conv.weight, padding=1) if self.besides else self.conv(wide)
        return again.mean((2, 3))


@pytest.mark.parametrize(
    ("net", "kernel"), [(Twice(1), (1, 1)), (Twice(4), (3, 3)), (Twice(4, besides=True), (3, 3))]
)
def test_a_layer_that_is_used_twice_keeps_what_either_use_needs(net, kernel):
    (smaller,) = trimmed([net], torch.zeros(3, 1, 1))
    assert smaller.conv.weight.shape[2:] == kernel


def test_a_weight_that_is_made_of_others_is_left():
    net = conv(3, padding=1)
    net(torch.zeros(1, 3, 1, 1))
    weight_norm(net[0])
    (smaller,) = trimmed([net], torch.zeros(3, 1, 1))
    assert smaller[0].weight.shape[2:] == (3, 3)


def test_the_models_themselves_and_the_random_numbers_are_as_before():
    net = conv(3, padding=1)
    net(torch.zeros(1, 3, 1, 1))
    before, state = copy.deepcopy(net.state_dict()), torch.random.get_rng_state()
    other = copy.deepcopy(net)
    with torch.no_grad():
        other[0].weight.mul_(2)
    smaller = trimmed([net, other], torch.zeros(3, 1, 1))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(smaller[1][0].weight, 2 * smaller[0][0].weight)
    assert not net[0]._forward_hooks
    assert net.training
