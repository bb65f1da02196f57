"""Keeps a submission's runs: their weights at first, then their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.competition import LEVELS
from harness.outputs import TOGETHER, Observes
from harness.pool import Seen
from harness.sandbox.host import RunResult
from harness.store import Store, StoreError, key
from harness.submission import Verdict

SOURCE = "source.py"  # the Python that ran, in the submission's folder


class RunStore(Store):
    """A folder of runs.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    keep_weights : bool
        Whether a run's weights stay once its outputs are computed.
    """

    def __init__(self, folder: Path, *, keep_weights: bool = False) -> None:
        super().__init__(folder)
        self.keep_weights = keep_weights
        self._fresh: dict[int, Mapping[str, np.ndarray]] = {}  # of runs that wait for outputs

    def put_run(self, run: int, result: RunResult, isolation: str) -> None:
        """Keep a run's weights and facts about it."""
        self.put(
            _name(run),
            result.weights,
            seconds=result.seconds,
            peak_memory_mb=result.peak_memory_mb,
            isolation=isolation,
            memory=result.memory,
            device=result.device,
        )
        if len(self._fresh) < 2 * TOGETHER:  # no more than memory surely holds
            self._fresh[run] = result.weights

    def run_facts(self, run: int) -> dict[str, Any]:
        """The facts about a run."""
        return self.facts(_name(run))

    def has_weights(self, count: int) -> bool:
        """Whether the weights of `count` runs are still there."""
        return all(self.holds(_name(run)) for run in range(count))

    def missing(self, batch: range, require: str) -> list[int]:
        """The runs of a batch to do, or to repeat at a higher isolation level."""
        least = LEVELS.index(require)
        kept = [
            run
            for run in batch
            if self.checksum(_name(run)) and LEVELS.index(self.run_facts(run)["isolation"]) >= least
        ]
        needed = not self.keep_weights or all(self.holds(_name(run)) for run in batch)
        if needed and len(kept) == len(batch) and self._arrays(batch) is not None:
            return []
        return [run for run in batch if run not in kept or self.get(_name(run)) is None]

    def outputs(self, batch: range, observer: Observes[Seen]) -> Seen:
        """The outputs of a batch of runs, computed once; a full batch's weights may go then.

        Raises
        ------
        Verdict
            If they are not finite, which finite weights alone do not guarantee.
        """
        seen = self.known_outputs(batch, observer.kind)
        if seen is None:
            seen = observer.weights([self._weights(run) for run in batch])
            self.put(_batch_name(batch), seen.arrays(), runs=self._checksums(batch))
            if len(batch) == TOGETHER and not self.keep_weights:
                for run in batch:
                    self.drop(_name(run))
        finite = np.ones(len(seen), dtype=bool)
        for values in seen.arrays().values():
            finite &= np.isfinite(values).reshape(len(seen), -1).all(1)
        if not finite.all():
            run = batch[int(finite.argmin())]
            raise Verdict(
                "invalid_weights",
                f"run {run}: its weights are finite, but its outputs are not: the model answers "
                "NaN or infinity to images of the competition. Look at the largest weights, and "
                "for running variances of batch normalisation below zero.",
            )
        return seen

    def known_outputs(self, batch: range, kind: type[Seen]) -> Seen | None:
        """The outputs of exactly these runs, not of earlier ones with the same numbers."""
        arrays = self._arrays(batch)
        return None if arrays is None else kind(**arrays)

    def _arrays(self, batch: range) -> dict[str, np.ndarray] | None:
        if self.facts(_batch_name(batch)).get("runs") != self._checksums(batch):
            return None
        return self.get(_batch_name(batch))

    def _weights(self, run: int) -> Mapping[str, np.ndarray]:
        if (fresh := self._fresh.pop(run, None)) is not None:
            return fresh
        weights = self.get(_name(run))
        if weights is None:
            raise StoreError(f"{self.folder}: the weights of run {run} were damaged; start again")
        return weights

    def _checksums(self, batch: range) -> list[str]:
        return [self.checksum(_name(run)) for run in batch]


def runs_folder(folder: Path, *made_from: str) -> Path:
    """Where the runs that follow from all this are kept, in the folder of their submission."""
    return folder / f"runs-{key(*made_from)}"


def _name(run: int) -> str:
    return f"run-{run:04d}"


def _batch_name(batch: range) -> str:
    return f"outputs-{batch.start:04d}-{batch.stop:04d}"
