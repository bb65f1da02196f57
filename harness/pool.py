"""What scoring sees of N models: their outputs as plain arrays, one row per model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from harness.epsilon.calibration import Calibration


@dataclass(frozen=True)
class Pool:
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

    def __len__(self) -> int:
        return len(self.forget_logits)

    def __getitem__(self, models: slice | np.ndarray) -> Pool:
        """The pool of the selected models."""
        return Pool(**{name: rows[models] for name, rows in self.arrays().items()})

    @property
    def calibration(self) -> Calibration:
        """What undoes offsets and temperatures of the models' logits."""
        return Calibration(self.class_means, self.logit_scale)

    def arrays(self) -> dict[str, np.ndarray]:
        """The outputs by name, without those that were not kept."""
        outputs = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values for name, values in outputs.items() if values is not None}

    @staticmethod
    def concatenate(pools: Sequence[Pool]) -> Pool:
        """One pool of all the models, in order, with the outputs that all of them kept."""
        parts = [pool.arrays() for pool in pools]
        kept = [name for name in parts[0] if all(name in part for part in parts)]
        return Pool(**{name: np.concatenate([part[name] for part in parts]) for name in kept})


def retain_sample(count: int) -> np.ndarray:
    """The retain examples whose logits a pool keeps: 64, spread evenly."""
    return np.unique(np.linspace(0, count - 1, 64).astype(int))
