"""The reference of a competition: the original model and two pools retrained without forget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from joblib import delayed

from harness import data as datasets
from harness import store
from harness.competition import Competition, CompetitionError, Model, Training
from harness.data import Columns, Data
from harness.device import alone, as_many_as_fit, let_go
from harness.epsilon import METRIC_VERSION
from harness.epsilon.attackers import panel
from harness.outputs import Observer
from harness.pool import Pool
from harness.reference import memorisation
from harness.reference.training import (
    AT_ONCE,
    Bar,
    in_parallel,
    initialise,
    plain_seconds,
    seeds,
    train,
)
from harness.store import Store
from harness.workers import HERE, SILENT, Report, Workers

CACHE = Path("reference/cache")
ORIGINAL, RETRAINED, SECOND = range(3)
Task = tuple[int, int]  # a pool, and a batch of its models


@dataclass(frozen=True)
class Reference:
    """What submissions are compared with.

    Attributes
    ----------
    competition : Competition
    data : Data
    fingerprint : str
        Of everything that the reference was made from.
    folder : Path
        Where it is cached.
    inputs : Path
        The folder that a submission may see: original weights and three splits.
    original : Pool of one
        The model before unlearning.
    retrained, second : Pool of N
        Independent pools of models trained on the retain set alone; the second one's
        forgetting quality against the first is the ceiling.
    retrain_seconds : float
        One retraining on one core, as a submission would do it.
    """

    competition: Competition
    data: Data
    fingerprint: str
    folder: Path
    inputs: Path
    original: Pool
    retrained: Pool
    second: Pool
    retrain_seconds: float


def prepare(competition: Competition, progress: bool = True, workers: Workers = HERE) -> Reference:
    """The competition's reference: from the cache, or trained by `workers`.

    Raises
    ------
    CompetitionError
        If the data, the splits or the attackers cannot be used, or a process that trains was
        killed.
    Busy
        If another process is training the same reference.
    """
    try:
        panel(competition.evaluation.attackers, logits=True)
    except ValueError as error:  # before hours of training, not after them
        raise CompetitionError(f"evaluation.{error}") from None
    columns = _columns(competition, progress, workers)
    data, fingerprint, folder = _place(competition, columns)
    check_model(competition, data)
    with store.lock(folder):
        inputs, pools = Store(folder / "inputs"), Store(folder / "pools")
        write_inputs(inputs, competition, data)
        tasks = [(ORIGINAL, 0), *wanted(competition)]
        _train_missing(competition, data, tasks, inputs, pools, progress, workers)
        return _reference(competition, data, fingerprint, folder, pools)


def data_of(competition: Competition) -> Data:
    """The competition's splits, without the reference; errors as of `prepare`."""
    return datasets.divide(_columns(competition), competition.splits)


def cached(competition: Competition) -> Reference | None:
    """The competition's reference from the cache; None if it is incomplete. Nothing is trained.

    Raises
    ------
    CompetitionError
        If the data or the splits cannot be used.
    """
    columns = datasets.read(competition.dataset, competition.data)
    if competition.splits.forget.kind == "memorised":
        scores = memorisation.known(competition, columns, CACHE)
        if scores is None:
            return None
        columns["memorisation"] = scores
    data, fingerprint, folder = _place(competition, columns)
    pools = folder / "pools"
    try:
        return (
            _reference(competition, data, fingerprint, folder, Store(pools))
            if pools.is_dir()
            else None
        )
    except store.StoreError:
        return None


def _columns(competition: Competition, progress: bool = True, workers: Workers = HERE) -> Columns:
    """The data; with how much each example is memorised, where the forget set follows from it."""
    columns = datasets.read(competition.dataset, competition.data)
    if competition.splits.forget.kind == "memorised":
        model, batch_size = competition.model, competition.training.batch_size
        half = len(datasets.trainable(columns, competition.splits)) // 2
        _check_model(model, columns, datasets.check(columns), batch_size, [half])
        scores = memorisation.estimate(competition, columns, CACHE, workers, progress)
        columns["memorisation"] = scores
    return columns


def _place(competition: Competition, columns: Columns) -> tuple[Data, str, Path]:
    """The data, the fingerprint, and the folder of the cache that follows from them."""
    data = datasets.divide(columns, competition.splits)
    fingerprint = competition.fingerprint(data.checksum, METRIC_VERSION)
    return data, fingerprint, CACHE / f"{competition.name}-{fingerprint}"


def wanted(competition: Competition) -> list[Task]:
    chunks = range(-(-competition.evaluation.runs // AT_ONCE))
    return [(pool, chunk) for chunk in chunks for pool in (RETRAINED, SECOND)]


def _reference(
    competition: Competition, data: Data, fingerprint: str, folder: Path, pools: Store
) -> Reference:
    """The reference from what is stored."""
    original = _read(pools, (ORIGINAL, 0))
    retrained, second = (
        Pool.concatenate([_read(pools, task) for task in wanted(competition) if task[0] == pool])
        for pool in (RETRAINED, SECOND)
    )
    return Reference(
        competition,
        data,
        fingerprint,
        folder,
        folder / "inputs",
        original,
        retrained[: competition.evaluation.runs],
        second[: competition.evaluation.runs],
        pools.facts(_name((ORIGINAL, 0)))["retrain_seconds"],
    )


def check_model(competition: Competition, data: Data) -> None:
    """Raise a CompetitionError unless the architecture fits images, classes and batches."""
    sizes = [len(columns["label"]) for columns in (data.retain, data.train)]
    batch_size = competition.training.batch_size
    _check_model(competition.model, data.forget, data.classes, batch_size, sizes)


def _check_model(
    model: Model, columns: Columns, classes: int, batch_size: int, sizes: Sequence[int]
) -> None:
    """Raise unless the architecture is known and fits the images, the classes and the batches.

    `sizes` are the numbers of examples to train it on.
    """
    image = torch.from_numpy(columns["image"][:1])
    try:
        net = initialise(model, seed=0).eval()
        shape = tuple(net(image).shape)
    except Exception as error:  # a host's own architecture may raise anything
        raise CompetitionError(f"model {model.architecture!r} cannot be used: {error}") from error
    if shape != (1, classes):
        raise CompetitionError(
            f"model {model.architecture!r} gives {shape[-1]} logits, the data has {classes} classes"
        )
    if any(size % batch_size == 1 for size in sizes):
        try:
            net.train()(image)
        except ValueError as error:
            raise CompetitionError(
                f"the last of an epoch's batches has one image, on which {model.architecture!r} "
                f"cannot be trained ({error}); change training.batch_size or splits.retain"
            ) from None


def write_inputs(inputs: Store, competition: Competition, data: Data) -> None:
    """What a submission may see, except the original's weights, which are trained later."""
    for name in ("retain", "forget", "validation"):
        if inputs.get(name) is None:
            inputs.put(name, getattr(data, name))
    settings = asdict(competition.model) | {"batch_size": competition.training.batch_size}
    counts = np.bincount(data.train["label"], minlength=data.classes)
    # As in the challenge: scikit-learn's "balanced" weights, larger for rarer classes.
    weights = counts.sum() / (data.classes * np.maximum(counts, 1))
    for name, content in (
        ("competition.json", json.dumps(settings)),
        ("age_class_weights.json", json.dumps(weights.tolist())),
        ("empty.txt", ""),
    ):
        store.write(inputs.folder / name, content)


def _train_missing(
    competition: Competition,
    data: Data,
    tasks: list[Task],
    inputs: Store,
    pools: Store,
    progress: bool,
    workers: Workers,
) -> None:
    """Train the models that are not stored, as many tasks at a time as there are workers."""
    missing = [
        task
        for task in tasks
        if pools.get(_name(task)) is None
        or (task[0] == ORIGINAL and inputs.get("original") is None)
    ]
    if not missing:
        return
    total, left = (sum(len(members(task)) for task in some) for some in (tasks, missing))
    with Bar("reference", total, total - left, progress) as bar:
        results = in_parallel(
            workers,
            [data],
            lambda report: (
                delayed(train_task)(competition.model, competition.training, data, task, report)
                for task in missing
            ),
            bar.hear if progress else None,
        )
        for task, (weights, pool, facts) in zip(missing, results, strict=True):
            if task[0] == ORIGINAL:
                inputs.put("original", weights)
            pools.put(_name(task), pool.arrays(), **facts)
            bar.finish(len(pool))
    let_go()


def train_task(
    model: Model, recipe: Training, data: Data, task: Task, report: Report = SILENT
) -> tuple[dict[str, np.ndarray], Pool, dict[str, float]]:
    """Weights of the task's first model, outputs of all its models, and facts to note."""
    torch.set_num_threads(1)
    columns = data.train if task[0] == ORIGINAL else data.retain
    images, labels = torch.from_numpy(columns["image"]), torch.from_numpy(columns["label"])
    observer = Observer(model, data)

    def work(own: Sequence[int]) -> tuple[dict[str, np.ndarray], Pool]:
        # Of the original the weights are needed, of the others what they answer.
        whole = task[0] == ORIGINAL
        group = train(model, recipe, images, labels, own, report=report, whole=whole)
        weights = {name: tensor.cpu().numpy() for name, tensor in group.states()[0].items()}
        return weights, observer.fused(group)

    with alone():
        groups = as_many_as_fit(work, seeds(recipe.seed, task[0], members(task)))
        facts = {}
        if task[0] == ORIGINAL:
            facts["retrain_seconds"] = plain_seconds(model, recipe, data.retain)
    return groups[0][0], Pool.concatenate([pool for _, pool in groups]), facts


def members(task: Task) -> range:
    pool, chunk = task
    return range(1) if pool == ORIGINAL else range(chunk * AT_ONCE, (chunk + 1) * AT_ONCE)


def _read(pools: Store, task: Task) -> Pool:
    arrays = pools.get(_name(task))
    if arrays is None:
        raise store.StoreError(f"{pools.folder}/{_name(task)} was altered while it was in use")
    return Pool(**arrays)


def _name(task: Task) -> str:
    return f"{('original', 'retrained', 'second')[task[0]]}-{task[1]:03d}"
