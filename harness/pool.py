"""What scoring sees of N models: their outputs as plain arrays, one row per model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self, TypeVar

import numpy as np

from harness.epsilon.calibration import Calibration


@dataclass(frozen=True)
class Outputs:
    """Arrays with a row per model; a subclass says which."""

    def __len__(self) -> int:
        return len(next(iter(self.arrays().values())))

    def __getitem__(self, models: slice | np.ndarray) -> Self:
        """The outputs of the selected models."""
        return type(self)(**{name: rows[models] for name, rows in self.arrays().items()})

    def arrays(self) -> dict[str, np.ndarray]:
        """The outputs by name, without those that were not kept."""
        outputs = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values for name, values in outputs.items() if values is not None}

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """The outputs of all the models, in order, as far as all of them kept them."""
        arrays = [part.arrays() for part in parts]
        kept = [name for name in arrays[0] if all(name in own for own in arrays)]
        return cls(**{name: np.concatenate([own[name] for own in arrays]) for name in kept})


Seen = TypeVar("Seen", bound=Outputs)


@dataclass(frozen=True)
class Pool(Outputs):
    """Outputs of N models on a competition's examples.

    Attributes
    ----------
    forget_logits : ndarray [N, F, C], float32
        Logits of the F forget examples.
    test_losses : ndarray [N, T], float32
        Cross entropy, in nats, of each of the T test examples; T is 0 where nobody kept them.
    retain_accuracy, forget_accuracy, validation_accuracy, test_accuracy : ndarray [N], float64
        Fraction of the split that each model classifies correctly.
    class_means : ndarray [N, C], float64
    logit_scale : ndarray [N], float64
        Statistics of the logits on the validation images; see `harness.epsilon.Calibration`.
    retain_logits : ndarray [N, R, C], float32, optional
        Logits of some retain examples, `retain_sample`, for the report; they are not scored.
    """

    forget_logits: np.ndarray
    test_losses: np.ndarray
    retain_accuracy: np.ndarray
    forget_accuracy: np.ndarray
    validation_accuracy: np.ndarray
    test_accuracy: np.ndarray
    class_means: np.ndarray
    logit_scale: np.ndarray
    retain_logits: np.ndarray | None = None

    @property
    def calibration(self) -> Calibration:
        """What undoes offsets and temperatures of the models' logits."""
        return Calibration(self.class_means, self.logit_scale)


def retain_sample(count: int) -> np.ndarray:
    """The retain examples whose logits a pool keeps: 64, spread evenly."""
    return np.unique(np.linspace(0, count - 1, 64).astype(int))
