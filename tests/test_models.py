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
