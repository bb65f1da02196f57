"""From models to what scoring sees of them: computed here, on the trusted side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness import models
from harness.competition import Model
from harness.data import Columns
from harness.device import as_many_as_fit, device, peak_mb
from harness.epsilon import calibration, confidences
from harness.fused import together
from harness.pool import Pool, Seen, retain_sample

TOGETHER = 16  # runs per pass that computes outputs, which halves the time
SPLITS = ("retain", "forget", "validation", "test")
Weights = Mapping[str, np.ndarray]
# Pixel values of each model's images in one pass: 256 digits or 5 colour images on the CPU, whose
# caches they should share with the runs' images, and far more on a GPU.
PASS = {"cpu": 1 << 14, "cuda": 1 << 20}
Forward = Callable[[Tensor], Tensor]


class Observes(Protocol[Seen]):
    """What makes outputs, of one `kind`, of what runs return."""

    kind: type[Seen]

    @property
    def gpu_mb(self) -> int:
        """GPU memory that the outputs of `TOGETHER` runs take, in MiB; 0 without a GPU."""

    def weights(self, weights: Sequence[Weights]) -> Seen:
        """The outputs of M runs."""


class ModelObserver(Generic[Seen]):
    """Computes the outputs of models on examples; a subclass says which, and of what kind.

    Parameters
    ----------
    model : Model
        The architecture.
    data : object
        Its attributes named by `splits` have the examples.
    """

    kind: type[Seen]
    splits: tuple[str, ...]

    def __init__(self, model: Model, data: object) -> None:
        self._model = models.build(model.architecture, **model.arguments)
        self._splits = {name: _tensors(getattr(data, name)) for name in self.splits}
        image = self._splits[self.splits[0]][0][0]
        self._together = together(self._model, image)

    @functools.cached_property
    def gpu_mb(self) -> int:
        """GPU memory that the outputs of `TOGETHER` models take, in MiB; 0 without a GPU."""
        state = {name: tensor.numpy() for name, tensor in self._model.state_dict().items()}
        return peak_mb(lambda: self.weights([state] * TOGETHER))

    def weights(self, weights: Sequence[Weights]) -> Seen:
        """The outputs of M models with these weights; all at once if they fit."""

        def outputs(own: Sequence[Weights]) -> Seen:
            states = [{name: torch.from_numpy(a) for name, a in each.items()} for each in own]
            return self.fused(self._together(self._model, states).eval().to(device()))

        return self.kind.concatenate(as_many_as_fit(outputs, weights))

    @torch.inference_mode()
    def confidences(self, weights: Mapping[str, np.ndarray], split: str) -> np.ndarray:
        """Logit-scaled confidences [n] of one model in the labels of a split, float64."""
        images, labels = self._splits[split]
        state = {name: torch.from_numpy(values) for name, values in weights.items()}
        net = self._together(self._model, [state]).eval().to(device())
        logits = forward_all(net, images)[:, 0].cpu().numpy()
        return confidences(logits[None], labels.numpy())[0]

    @torch.inference_mode()
    def fused(self, forward: Forward) -> Seen:
        """The outputs of M models.

        Parameters
        ----------
        forward : callable
            From images [B, channels, height, width] to logits [B, M, C], on the GPU if there
            is one.
        """
        return self.seen(
            {name: forward_all(forward, images).cpu() for name, (images, _) in self._splits.items()}
        )

    def seen(self, found: Mapping[str, Tensor]) -> Seen:
        """The outputs, from the logits [n, M, C] on each split."""
        raise NotImplementedError


class Observer(ModelObserver[Pool]):
    """Computes what scoring sees of models, on a competition's examples."""

    kind = Pool
    splits = SPLITS

    def seen(self, found: Mapping[str, Tensor]) -> Pool:
        """The outputs, from the logits [n, M, C] on each split."""
        accuracy = {
            f"{name}_accuracy": (found[name].argmax(-1) == labels[:, None]).double().mean(0)
            for name, (_, labels) in self._splits.items()
        }
        labels = self._splits["test"][1][:, None].expand(found["test"].shape[:2])
        losses = cross_entropy(found["test"].movedim(-1, 1), labels, reduction="none")
        sample = retain_sample(len(found["retain"]))
        means, scales = calibration(found["validation"].transpose(0, 1).numpy())
        return Pool(
            forget_logits=found["forget"].transpose(0, 1).contiguous().numpy(),
            retain_logits=found["retain"][sample].transpose(0, 1).contiguous().numpy(),
            test_losses=losses.T.contiguous().numpy(),
            class_means=means,
            logit_scale=scales,
            **{name: values.numpy() for name, values in accuracy.items()},
        )


def _tensors(columns: Columns) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(columns["image"]), torch.from_numpy(columns["label"])


@torch.inference_mode()
def forward_all(forward: Forward, images: Tensor) -> Tensor:
    """Logits [n, M, C] of M models on all the images, as many at a time as fit."""
    size = max(1, PASS[device().type] // images[0].numel())
    return torch.cat([forward(part.to(device())) for part in images.split(size)])
