"""From models to what scoring sees of them: computed here, on the trusted side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness import models
from harness.competition import Model
from harness.data import Columns, Data
from harness.fused import together
from harness.pool import Pool

SPLITS = ("retain", "forget", "validation", "test")
PASS = 1 << 15  # pixel values of each model's images in one pass: 512 digits, 10 colour images
Forward = Callable[[Tensor], Tensor]


class Observer:
    """Computes the outputs of models on a competition's examples.

    Parameters
    ----------
    model : Model
        The architecture.
    data : Data
        The examples.
    """

    def __init__(self, model: Model, data: Data) -> None:
        self._model = models.build(model.architecture, **model.arguments)
        self._splits = {name: _tensors(getattr(data, name)) for name in SPLITS}
        self._together = together(self._model, self._splits["forget"][0][0])

    def weights(self, weights: Sequence[Mapping[str, np.ndarray]]) -> Pool:
        """The outputs of M models, given by the weights of each."""
        states = [{name: torch.from_numpy(a) for name, a in own.items()} for own in weights]
        return self.fused(self._together(self._model, states).eval())

    @torch.inference_mode()
    def fused(self, forward: Forward) -> Pool:
        """The outputs of M models.

        Parameters
        ----------
        forward : callable
            From images [B, channels, height, width] to logits [B, M, C].
        """
        found = {name: logits(forward, images) for name, (images, _) in self._splits.items()}
        accuracy = {
            f"{name}_accuracy": (found[name].argmax(-1) == labels[:, None]).double().mean(0)
            for name, (_, labels) in self._splits.items()
        }
        labels = self._splits["test"][1][:, None].expand(found["test"].shape[:2])
        losses = cross_entropy(found["test"].movedim(-1, 1), labels, reduction="none")
        return Pool(
            forget_logits=found["forget"].transpose(0, 1).contiguous().numpy(),
            test_losses=losses.T.contiguous().numpy(),
            **{name: values.numpy() for name, values in accuracy.items()},
        )


def _tensors(columns: Columns) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(columns["image"]), torch.from_numpy(columns["label"])


@torch.inference_mode()
def logits(forward: Forward, images: Tensor) -> Tensor:
    """Logits [n, M, C] of M models on all the images, as many at a time as fit."""
    return torch.cat([forward(part) for part in images.split(max(1, PASS // images[0].numel()))])
