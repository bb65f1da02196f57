"""Many models of one architecture as one network: trained and evaluated side by side.

Convolutions become grouped ones, batch norm runs over models x channels, linear layers become
batched products. Everything else (activations, pooling, sums) acts on channels one by one and
is used as it is, so any model made of these layers fuses: torchvision's ResNets among them.
Other models, such as transformers, run side by side unfused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

State = Mapping[str, Tensor]


class FusedLinear(nn.Module):
    """M linear layers, each on its own slice of the input: [B, M * in] to [B, M * out]."""

    def __init__(self, linear: nn.Linear, models: int) -> None:
        super().__init__()
        self.models = models
        self.weight = nn.Parameter(linear.weight.detach().repeat(models, 1))
        self.bias: nn.Parameter | None = None
        if linear.bias is not None:
            self.bias = nn.Parameter(linear.bias.detach().repeat(models))

    def forward(self, x: Tensor) -> Tensor:
        inputs = x.unflatten(1, (self.models, -1)).transpose(0, 1)
        weight = self.weight.unflatten(0, (self.models, -1)).transpose(1, 2)
        if self.bias is None:
            return torch.bmm(inputs, weight).transpose(0, 1).flatten(1)
        bias = self.bias.unflatten(0, (self.models, 1, -1))
        return torch.baddbmm(bias, inputs, weight).transpose(0, 1).flatten(1)


def _fused_layer(layer: nn.Module, models: int) -> nn.Module | None:
    """A layer that does what M copies of `layer` do; None if `layer` already does."""
    if isinstance(layer, nn.Conv2d):
        layer.in_channels *= models
        layer.out_channels *= models
        layer.groups *= models
    elif isinstance(layer, nn.BatchNorm2d):
        layer.num_features *= models
    elif isinstance(layer, nn.Linear):
        return FusedLinear(layer, models)
    elif any(True for _ in layer.parameters(recurse=False)):
        raise TypeError(f"{type(layer).__name__} layers cannot be fused")
    return None


class Fused(nn.Module):
    """M models as one.

    Parameters
    ----------
    model : Module
        One model; it is copied.
    states : sequence of state dicts
        The M models' weights.
    """

    def __init__(self, model: nn.Module, states: Sequence[State]) -> None:
        super().__init__()
        self.models = len(states)
        self.network = copy.deepcopy(model)
        for name, layer in list(self.network.named_modules()):
            if (fused := _fused_layer(layer, self.models)) is not None:
                self.network.set_submodule(name, fused)
        stacked = {name: torch.cat([s[name] for s in states]) for name in _stackable(states[0])}
        for name, tensor in [*self.network.named_parameters(), *self.network.named_buffers()]:
            if name in stacked:
                tensor.data = stacked[name].to(tensor.dtype).clone()
        self.network.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each model on its own images.

        Parameters
        ----------
        x : Tensor [B, M, channels, height, width], or [B, channels, height, width]
            A batch for each model, or one that all the models share.

        Returns
        -------
        Tensor [B, M, classes]
        """
        if x.dim() == 4:
            x = x.unsqueeze(1).expand(-1, self.models, -1, -1, -1)
        x = x.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        return self.network(x).unflatten(1, (self.models, -1))

    def states(self) -> list[dict[str, Tensor]]:
        """The M models' own state dicts."""
        fused = self.network.state_dict()
        split = {
            name: tensor.contiguous().chunk(self.models) if tensor.dim() else [tensor] * self.models
            for name, tensor in fused.items()
        }
        return [
            {name: parts[i].clone() for name, parts in split.items()} for i in range(self.models)
        ]


def _stackable(state: State) -> list[str]:
    """All except scalars, such as the count of batches that a batch norm has seen; all share it."""
    return [name for name, tensor in state.items() if tensor.dim()]


class Separate(nn.Module):
    """M models that cannot be fused, with the interface of `Fused`.

    Parameters
    ----------
    model : Module
        One model; it is copied.
    states : sequence of state dicts
        The M models' weights.
    """

    def __init__(self, model: nn.Module, states: Sequence[State]) -> None:
        super().__init__()
        self.members = nn.ModuleList(copy.deepcopy(model) for _ in states)
        for member, state in zip(self.members, states, strict=True):
            member.load_state_dict(state)

    def forward(self, x: Tensor) -> Tensor:
        """As `Fused.forward`."""
        if x.dim() == 4:
            x = x.unsqueeze(1).expand(-1, len(self.members), -1, -1, -1)
        pairs = zip(self.members, x.unbind(1), strict=True)
        return torch.stack([member(own) for member, own in pairs], dim=1)

    def states(self) -> list[dict[str, Tensor]]:
        """The M models' own state dicts."""
        return [member.state_dict() for member in self.members]


def together(model: nn.Module, image: Tensor) -> type[Fused] | type[Separate]:
    """How models of this architecture run side by side: fused if that gives the same logits.

    This is tried on two different models in training mode. A layer that mixes the models, or that
    draws random numbers for all of them, cannot be recognised by its type.

    Parameters
    ----------
    model : Module
    image : Tensor [channels, height, width]
        An image of the size that the model is for.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        alone = Separate(model, [model.state_dict()] * 2).train()
        for parameter in alone.parameters():  # some start at zero, which would hide a mix-up
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        states = copy.deepcopy(alone.states())  # before batch norm counts a batch
        images = torch.randn(4, 2, *image.shape)
        expected = alone(images)
        try:
            logits = Fused(model, states).train()(images)
        except Exception:  # a host's own code may raise anything for twice as many channels
            return Separate
    tolerance = 1e-2 * float(expected.std())
    same = logits.shape == expected.shape and torch.allclose(logits, expected, 0, tolerance)
    return Fused if same else Separate
