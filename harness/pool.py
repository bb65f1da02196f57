"""What scoring sees of N models: their outputs, one row a model, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Pool:
    """Outputs of N models on a competition's examples.

    Attributes
    ----------
    forget_logits : ndarray [N, F, C], float32
        Logits of the F forget examples.
    test_losses : ndarray [N, T], float32
        Cross entropy, in nats, of each of the T test examples.
    retain_accuracy, forget_accuracy, validation_accuracy, test_accuracy : ndarray [N], float64
        Fraction of the split that each model classifies correctly.
    """

    forget_logits: np.ndarray
    test_losses: np.ndarray
    retain_accuracy: np.ndarray
    forget_accuracy: np.ndarray
    validation_accuracy: np.ndarray
    test_accuracy: np.ndarray

    def __len__(self) -> int:
        return len(self.forget_logits)

    def __getitem__(self, models: slice | np.ndarray) -> Pool:
        """The pool of the selected models."""
        return Pool(**{name: rows[models] for name, rows in self.arrays().items()})

    def arrays(self) -> dict[str, np.ndarray]:
        """The outputs by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def concatenate(pools: Sequence[Pool]) -> Pool:
        """One pool of all the models, in order."""
        return Pool(
            **{
                field.name: np.concatenate([getattr(pool, field.name) for pool in pools])
                for field in fields(Pool)
            }
        )
