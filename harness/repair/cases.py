"""The cases of a repair competition: models trained with a share of wrong labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from joblib import delayed

from harness import data as datasets
from harness.data import Columns
from harness.device import alone, as_many_as_fit
from harness.outputs import forward_all
from harness.reference.training import Bar, in_parallel, train
from harness.repair.competition import RepairCompetition
from harness.sources import CompetitionError
from harness.store import Store, lock
from harness.workers import HERE, Report

CACHE = Path("reference/cache")
AT_ONCE = 16  # models in one fused network
SPLITS = ("train", "query", "validation", "test")
FEWEST = 2  # failures: one to show, one to hold out
_ORIGINALS, _FLIPS, _SHARES = range(3)  # streams of random numbers


@dataclass(frozen=True)
class Case:
    """What belongs to one seed.

    Attributes
    ----------
    seed : int
    labels : ndarray [n], int64
        The training labels as given, some of them wrong.
    flipped : ndarray [n], bool
        Which labels are wrong.
    failures, held_out : ndarray of int
        Places in the query set that the original gets wrong: those shown to the participant, and
        those that judge the repair.
    weights : dict of str to ndarray
        The original model's state dict.
    """

    seed: int
    labels: np.ndarray
    flipped: np.ndarray
    failures: np.ndarray
    held_out: np.ndarray
    weights: dict[str, np.ndarray]


@dataclass(frozen=True)
class Reference:
    """A repair competition's data and cases.

    Attributes
    ----------
    competition : RepairCompetition
    fingerprint : str
    train, query, validation, test : dict of ndarray
        Columns `image`, `label` (true) and `image_id` (a place in the split).
    cases : tuple of Case
        One per seed.
    """

    competition: RepairCompetition
    fingerprint: str
    train: Columns
    query: Columns
    validation: Columns
    test: Columns
    cases: tuple[Case, ...]


def prepare(competition: RepairCompetition) -> Reference:
    """The competition's cases: from the cache, or trained if they are not there.

    Raises
    ------
    CompetitionError
        If the data cannot be used, or a model makes too few mistakes to repair.
    Busy
        If another process is training the same.
    """
    splits, checksum = _divide(competition)
    fingerprint = competition.fingerprint(checksum)
    folder = CACHE / f"{competition.name}-{fingerprint}"
    with lock(folder):
        stored = Store(folder)
        seeds = range(competition.evaluation.seeds)
        chunks = [seeds[i : i + AT_ONCE] for i in seeds[::AT_ONCE]]
        missing = [chunk for chunk in chunks if _read(stored, chunk) is None]
        done = len(seeds) - sum(map(len, missing))
        with Bar("reference", len(seeds), done, bool(missing)) as bar:
            found = in_parallel(
                HERE,
                [splits],
                lambda report: (
                    delayed(_train)(competition, splits, chunk, report) for chunk in missing
                ),
                bar.hear,
            )
            for chunk, cases in zip(missing, found, strict=True):
                for case in cases:
                    _keep(stored, case)
                bar.finish(len(chunk))
        cases = [case for chunk in chunks for case in _read(stored, chunk) or ()]
    return Reference(competition, fingerprint, **splits, cases=tuple(cases))


def flip(labels: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """The labels [n] with a share of them changed, each to one of the other classes, evenly."""
    labels = labels.copy()
    chosen = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[chosen] = (labels[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return labels


def _divide(competition: RepairCompetition) -> tuple[dict[str, Columns], str]:
    """Train, query, validation and test columns, and the data's checksum."""
    columns = datasets.read(competition.dataset, competition.data)
    splits = competition.splits
    ends = np.cumsum([splits.train, splits.query, splits.validation])
    count = len(columns["label"])
    if ends[-1] >= count:
        raise CompetitionError(
            f"the splits take {ends[-1]} of the {count} examples; leave some for the test set"
        )
    order = np.random.default_rng(splits.seed).permutation(count)
    parts = {
        # A place in the split, so that it reveals no place in the published data.
        name: {"image": columns["image"][rows], "label": columns["label"][rows]}
        | {"image_id": np.arange(len(rows))}
        for name, rows in zip(SPLITS, np.split(order, ends), strict=True)
    }
    return parts, datasets.checksum(columns)


def _train(
    competition: RepairCompetition,
    splits: Mapping[str, Columns],
    seeds: Sequence[int],
    report: Report,
) -> list[Case]:
    """The cases of some of the seeds."""
    torch.set_num_threads(1)
    recipe, true = competition.training, splits["train"]["label"]
    images = torch.from_numpy(splits["train"]["image"])
    query = torch.from_numpy(splits["query"]["image"])

    def work(own: Sequence[int]) -> list[Case]:
        share, classes = competition.flips.share, int(true.max()) + 1
        labels = [flip(true, share, classes, _rng(recipe.seed, _FLIPS, seed)) for seed in own]
        drawn = [int(_rng(recipe.seed, _ORIGINALS, seed).integers(2**62)) for seed in own]
        columns = torch.from_numpy(np.stack(labels, axis=1))
        models = train(competition.model, recipe, images, columns, drawn, report=report)
        said = forward_all(models, query).argmax(-1).cpu().numpy()
        wrong = said != splits["query"]["label"][:, None]
        cases = []
        for i, (seed, state) in enumerate(zip(own, models.states(), strict=True)):
            failures = _rng(recipe.seed, _SHARES, seed).permutation(np.flatnonzero(wrong[:, i]))
            if len(failures) < FEWEST:
                raise CompetitionError(
                    f"the model of seed {seed} makes {len(failures)} mistakes on the query set, "
                    "too few to repair; raise flips.share or splits.query"
                )
            shown, held_out = np.array_split(failures, 2)
            weights = {name: tensor.cpu().numpy() for name, tensor in state.items()}
            cases.append(Case(seed, labels[i], labels[i] != true, shown, held_out, weights))
        return cases

    with alone():
        return [case for cases in as_many_as_fit(work, seeds) for case in cases]


def _rng(*words: int) -> np.random.Generator:
    return np.random.default_rng(words)


def _keep(stored: Store, case: Case) -> None:
    names = ("labels", "flipped", "failures", "held_out")
    stored.put(f"original-{case.seed}", case.weights)
    stored.put(f"flips-{case.seed}", {name: getattr(case, name) for name in names})


def _read(stored: Store, seeds: Sequence[int]) -> list[Case] | None:
    cases = []
    for seed in seeds:
        arrays, weights = stored.get(f"flips-{seed}"), stored.get(f"original-{seed}")
        if arrays is None or weights is None:
            return None
        cases.append(Case(seed, **arrays, weights=weights))
    return cases
