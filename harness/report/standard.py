"""What a page compares rows of one N with: the reference, as its models look to the attackers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.epsilon import ForgettingQuality, calibrated, confidences
from harness.pool import Pool, retain_sample
from harness.reference.ceiling import file as ceiling_file
from harness.reference.pools import Reference
from harness.store import Store

Views = Mapping[str, np.ndarray]
_TOGETHER = 64  # models, whose logits fit a cache, and whose copies fit any memory
_SAMPLED = 128  # models whose retain outputs are drawn


@dataclass(frozen=True)
class Standard:
    """A cached reference, and what is computed of it once for all rows."""

    reference: Reference

    @property
    def labels(self) -> np.ndarray:
        """Of the forget examples, [F]."""
        return self.reference.data.forget["label"]

    @cached_property
    def retrained(self) -> Views:
        """Confidences [N, F] of the retrained models by view."""
        return self.views(self.reference.retrained)

    @cached_property
    def original(self) -> Views:
        """Confidences [1, F] of the original model by view."""
        return self.views(self.reference.original)

    @cached_property
    def parameters(self) -> int:
        """How many numbers the model's weights are, as far as the cache holds them."""
        weights = Store(self.reference.inputs).get("original") or {}
        return sum(values.size for values in weights.values())

    def views(self, pool: Pool) -> Views:
        """Confidences [N, F] of a pool in its labels, as the confidence adversary has them."""
        parts = [pool[i : i + _TOGETHER] for i in range(0, len(pool), _TOGETHER)]
        logits = {
            "raw": (part.forget_logits for part in parts),
            "calibrated": (calibrated(part.forget_logits, part.calibration) for part in parts),
        }
        return {
            view: np.concatenate([confidences(each, self.labels) for each in own])
            for view, own in logits.items()
        }

    def retain_confidences(self, pool: Pool) -> np.ndarray | None:
        """Confidences of some models in some retain examples; None where they were not kept."""
        if pool.retain_logits is None:
            return None
        labels = self.reference.data.retain["label"]
        step = -(-len(pool) // _SAMPLED)
        return confidences(pool.retain_logits[::step], labels[retain_sample(len(labels))])

    @cached_property
    def retrained_retain(self) -> np.ndarray | None:
        """`retain_confidences` of the retrained models."""
        return self.retain_confidences(self.reference.retrained)

    def ceiling(self, runs: int, key: str) -> np.ndarray | None:
        """The epsilons [F] of a second retrained pool, as they were measured for a row."""
        try:
            path = ceiling_file(self.reference, runs, key)
            found = ForgettingQuality.from_dict(json.loads(path.read_text(encoding="utf-8")))
            return found.epsilons
        except (OSError, ValueError, KeyError):
            return None
