"""The reference of a competition: the original model and two pools retrained without forget."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from harness import data as datasets
from harness import store
from harness.competition import Competition, CompetitionError, Model, Training
from harness.data import Data
from harness.epsilon import METRIC_VERSION
from harness.outputs import Observer
from harness.pool import Pool
from harness.store import Store
from harness.workers import HERE, Workers
from reference.training import initialise, plain_seconds, train

CACHE = Path("reference/cache")
AT_ONCE = 32  # models in one fused network
ORIGINAL, RETRAINED, SECOND = range(3)
Task = tuple[int, int]  # one of those pools, and which batch of its models


@dataclass(frozen=True)
class Reference:
    """What submissions are compared with.

    Attributes
    ----------
    competition : Competition
    data : Data
    fingerprint : str
        Of all that the reference was made from.
    folder : Path
        Where it is cached.
    inputs : Path
        The folder that a submission may see: original weights and its three splits.
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
    """The competition's reference: from the cache, and trained by `workers` where that lacks any.

    Raises
    ------
    CompetitionError
        If the data or the splits cannot be used.
    Busy
        If another process is training the same reference.
    """
    data, fingerprint, folder = _place(competition)
    _check_model(competition.model, data, competition.training.batch_size)
    with store.lock(folder):
        inputs, pools = Store(folder / "inputs"), Store(folder / "pools")
        _write_inputs(inputs, competition, data)
        tasks = [(ORIGINAL, 0), *_wanted(competition)]
        _train_missing(competition, data, tasks, inputs, pools, progress, workers)
        return _reference(competition, data, fingerprint, folder, pools)


def cached(competition: Competition) -> Reference | None:
    """The competition's reference from the cache; None, and nothing trained, if that lacks any.

    Raises
    ------
    CompetitionError
        If the data or the splits cannot be used.
    """
    data, fingerprint, folder = _place(competition)
    pools = folder / "pools"
    try:
        return (
            _reference(competition, data, fingerprint, folder, Store(pools))
            if pools.is_dir()
            else None
        )
    except store.StoreError:
        return None


def _place(competition: Competition) -> tuple[Data, str, Path]:
    """The data, the fingerprint, and the folder of the cache that follows from both."""
    data = datasets.load(competition.dataset, competition.splits, competition.data)
    fingerprint = competition.fingerprint(data.checksum, METRIC_VERSION)
    return data, fingerprint, CACHE / f"{competition.name}-{fingerprint}"


def _wanted(competition: Competition) -> list[Task]:
    chunks = range(-(-competition.evaluation.runs // AT_ONCE))
    return [(pool, chunk) for chunk in chunks for pool in (RETRAINED, SECOND)]


def _reference(
    competition: Competition, data: Data, fingerprint: str, folder: Path, pools: Store
) -> Reference:
    """What is stored, put together."""
    original = _read(pools, (ORIGINAL, 0))
    retrained, second = (
        Pool.concatenate([_read(pools, task) for task in _wanted(competition) if task[0] == pool])
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


def _check_model(model: Model, data: Data, batch_size: int) -> None:
    """The architecture has to be known, and to fit the images, the classes and the batches."""
    image = torch.from_numpy(data.forget["image"][:1])
    try:
        net = initialise(model, seed=0).eval()
        shape = tuple(net(image).shape)
    except Exception as error:  # a host's own architecture may raise anything
        raise CompetitionError(f"model {model.architecture!r} cannot be used: {error}") from error
    if shape != (1, data.classes):
        raise CompetitionError(
            f"model {model.architecture!r} gives {shape[-1]} logits, "
            f"the data has {data.classes} classes"
        )
    retain, forget = len(data.retain["label"]), len(data.forget["label"])
    if 1 in (retain % batch_size, (retain + forget) % batch_size):
        try:
            net.train()(image)
        except ValueError as error:
            raise CompetitionError(
                f"the last of an epoch's batches has one image, on which {model.architecture!r} "
                f"cannot be trained ({error}); change training.batch_size or splits.retain"
            ) from None


def _write_inputs(inputs: Store, competition: Competition, data: Data) -> None:
    """What a submission may see, but for the original's weights, which are trained later."""
    for name in ("retain", "forget", "validation"):
        if inputs.get(name) is None:
            inputs.put(name, getattr(data, name))
    settings = asdict(competition.model) | {"batch_size": competition.training.batch_size}
    counts = np.bincount(data.train["label"], minlength=data.classes)
    # As the challenge had them: scikit-learn's "balanced" weights, the rarer the heavier.
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
    """Train the tasks' models that are not stored, as many tasks at a time as there are workers."""
    missing = [
        task
        for task in tasks
        if pools.get(_name(task)) is None
        or (task[0] == ORIGINAL and inputs.get("original") is None)
    ]
    if not missing:
        return
    models = sum(len(_members(task)) for task in missing)
    with (
        workers.joined(data),
        tqdm(total=models, desc="reference", unit="model", disable=not progress) as bar,
    ):
        results = Parallel(return_as="generator", mmap_mode="c")(
            delayed(_train)(competition.model, competition.training, data, task) for task in missing
        )
        for task, (weights, pool, facts) in zip(missing, results, strict=True):
            if task[0] == ORIGINAL:
                inputs.put("original", weights)
            pools.put(_name(task), pool.arrays(), **facts)
            bar.update(len(pool))


def _train(
    model: Model, recipe: Training, data: Data, task: Task
) -> tuple[dict[str, np.ndarray], Pool, dict[str, float]]:
    """Weights of the task's first model, outputs of all of them, and what to note of them."""
    torch.set_num_threads(1)
    columns = data.train if task[0] == ORIGINAL else data.retain
    images, labels = torch.from_numpy(columns["image"]), torch.from_numpy(columns["label"])
    fused = train(model, recipe, images, labels, _seeds(recipe.seed, task))
    facts = {}
    if task[0] == ORIGINAL:
        facts["retrain_seconds"] = plain_seconds(model, recipe, data.retain)
    weights = {name: tensor.numpy() for name, tensor in fused.states()[0].items()}
    return weights, Observer(model, data).fused(fused), facts


def _seeds(seed: int, task: Task) -> list[int]:
    """The seeds of a task's models: no two models of a reference share one."""
    return [
        int(np.random.SeedSequence([seed, task[0], i]).generate_state(1, np.uint64)[0] >> 1)
        for i in _members(task)
    ]


def _members(task: Task) -> range:
    pool, chunk = task
    return range(1) if pool == ORIGINAL else range(chunk * AT_ONCE, (chunk + 1) * AT_ONCE)


def _read(pools: Store, task: Task) -> Pool:
    arrays = pools.get(_name(task))
    if arrays is None:
        raise store.StoreError(f"{pools.folder}/{_name(task)} was altered while it was in use")
    return Pool(**arrays)


def _name(task: Task) -> str:
    return f"{('original', 'retrained', 'second')[task[0]]}-{task[1]:03d}"
