"""Architectures that a competition can name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer, resnet18
from torchvision.models.resnet import BasicBlock


class SmallResNet(nn.Module):
    """A residual network with torchvision's ResNet names, for small images.

    Parameters
    ----------
    channels : int
        Channels of the input images.
    classes : int
        Number of classes.
    widths : sequence of int
        Channels of `layer1`, `layer2`, ...: one `BasicBlock` each, of stride 2 after the first.
    stem_stride : int
        Stride of `conv1`.
    """

    def __init__(
        self, channels: int, classes: int, widths: Sequence[int], stem_stride: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            channels, widths[0], kernel_size=3, stride=stem_stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity()  # images are small enough, but methods look for the name
        self.stages = [f"layer{i}" for i in range(1, len(widths) + 1)]
        for i, stage in enumerate(self.stages):
            self.add_module(stage, _stage(widths[max(i - 1, 0)], widths[i], 1 if i == 0 else 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _stage(inputs: int, width: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inputs != width:
        shortcut = nn.Sequential(
            nn.Conv2d(inputs, width, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(width),
        )
    return nn.Sequential(BasicBlock(inputs, width, stride, shortcut))


def small_vit(
    num_classes: int,
    image_size: int = 32,
    patch_size: int = 4,
    num_layers: int = 4,
    num_heads: int = 4,
    hidden_dim: int = 96,
    mlp_dim: int = 192,
) -> VisionTransformer:
    """torchvision's vision transformer, made small for small colour images; its own arguments."""
    return VisionTransformer(
        image_size, patch_size, num_layers, num_heads, hidden_dim, mlp_dim, num_classes=num_classes
    )


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "small_resnet": SmallResNet,
    "resnet18": resnet18,
    "small_vit": small_vit,
}


def build(architecture: str, **arguments: object) -> nn.Module:
    """A freshly initialised model; its weights follow from torch's global seed.

    Parameters
    ----------
    architecture : str
        A name in `ARCHITECTURES`; or one that an installed package registers as an entry point
        of the group `harness.models`; or "package.module:function" for anything that can be
        imported and returns a module.
    **arguments
        The architecture's own.

    Raises
    ------
    ValueError
        If there is no such architecture, or it does not give a module.
    """
    net = _factory(architecture)(**arguments)
    if not isinstance(net, nn.Module):
        raise ValueError(f"{architecture} returned a {type(net).__name__}, not a torch.nn.Module")
    return net


def _factory(architecture: str) -> Callable[..., nn.Module]:
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]
    others = {entry.name: entry for entry in entry_points(group="harness.models")}
    named = EntryPoint(architecture, architecture, "harness.models")
    if ":" not in architecture and architecture not in others:
        raise ValueError(
            f"there is no architecture {architecture!r}; known: "
            f"{', '.join([*ARCHITECTURES, *sorted(others)])}, "
            'or your own as "package.module:function"'
        )
    try:
        return others.get(architecture, named).load()
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"cannot import {architecture!r} ({error}); its package must be installed beside "
            "the harness, because submissions' runs see no other files"
        ) from None
