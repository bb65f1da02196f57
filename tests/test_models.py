"""Architectures are found by name, or imported, and anything else is refused in one sentence."""

import pytest
import torch

from harness import models


@pytest.mark.parametrize(
    ("architecture", "arguments", "layer"),
    [
        ("small_resnet", {"channels": 3, "classes": 7, "widths": [4, 8]}, "layer2"),
        ("resnet18", {"num_classes": 7}, "layer4"),
        ("small_vit", {"num_classes": 7}, "encoder"),
        ("torchvision.models:resnet34", {"num_classes": 7}, "layer4"),
    ],
)
def test_a_model_is_built_by_name_or_imported(architecture, arguments, layer):
    net = models.build(architecture, **arguments).eval()
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert layer in dict(net.named_children())


def test_small_resnet_has_the_names_of_torchvisions_and_passes_through_them():
    net = models.build("small_resnet", channels=3, classes=7, widths=[4, 4, 8, 8]).eval()
    theirs = models.build("resnet18", num_classes=7)
    assert [name for name, _ in net.named_children()] == [n for n, _ in theirs.named_children()]
    images = torch.randn(2, 3, 32, 32)
    body = torch.nn.Sequential(*list(net.children())[:-1])  # as for features, from the names alone
    torch.testing.assert_close(net.fc(body(images).flatten(1)), net(images))


def test_weights_follow_from_the_seed():
    def weights(seed):
        torch.manual_seed(seed)
        return models.build("small_vit", num_classes=3).conv_proj.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(
    ("architecture", "complaint"),
    [
        ("lenet", "no architecture 'lenet'; known: small_resnet, resnet18, small_vit, or your own"),
        ("nowhere.models:net", "cannot import .*No module named 'nowhere'"),
        ("torchvision.models:lenet", "cannot import .* has no attribute 'lenet'"),
        (":net", "cannot import ':net'"),
        ("builtins:dict", "returned a dict, not a torch.nn.Module"),
    ],
)
def test_what_is_no_model_is_refused(architecture, complaint):
    with pytest.raises(ValueError, match=complaint):
        models.build(architecture)
