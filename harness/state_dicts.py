"""Models that were made elsewhere, a state dict in a file each: their outputs, as `score` takes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from harness import external, models
from harness.competition import Competition, load
from harness.data import Data
from harness.outputs import Observer
from harness.pool import Pool
from harness.reference.pools import data_of, prepare
from harness.run_store import TOGETHER

PICKLED = (".pt", ".pth", ".bin", ".ckpt")
Weights = Mapping[str, np.ndarray]


def score(
    unlearned: Path, retrained: Path | None, second: Path | None, competition: str
) -> dict[str, Any]:
    """Score models on a competition's examples, by its attackers and delta.

    Parameters
    ----------
    unlearned : Path
        A folder of N models, see `outputs`, or an `.npz` file, see `harness.score`.
    retrained, second : Path or None
        The same of models that never saw the forget set; both None for the competition's
        reference, N models in each pool, which is trained now if it is missing.
    competition : str
        A name in `reference/`, or the path of a TOML file.

    Returns
    -------
    dict
        As of `harness.score`.

    Raises
    ------
    ValueError
        As of `outputs` and `harness.score`.
    CompetitionError
        If the competition cannot be used.
    """
    settings = load(competition)
    given = [path for path in (unlearned, retrained, second) if path is not None]
    pools = [outputs(p, settings) if p.is_dir() else external.read(p) for p in given]
    if len(pools) == 1:
        external.checked("unlearned", pools[0])  # before hours of training
        pools += of_reference(load(competition, runs=len(pools[0]["logits"])))
    evaluation = settings.evaluation
    ours, theirs, others = pools
    return external.score(ours, theirs, others, evaluation.attackers, evaluation.delta, n_jobs=-1)


def outputs(folder: Path, competition: Competition) -> dict[str, np.ndarray]:
    """The outputs of a folder's models on the examples of a competition.

    Parameters
    ----------
    folder : Path
        A file for each model, in the order of their names: `.safetensors`, or what `torch.save`
        wrote of a state dict, which is read without running code (`weights_only`).
    competition : Competition
        Whose architecture the models have.

    Returns
    -------
    dict of str to ndarray
        See `harness.score`.

    Raises
    ------
    ValueError
        If there is no such file, or one holds something else than finite weights of the
        competition's model.
    """
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".safetensors", *PICKLED) and not path.name.startswith(".")
    )
    if not paths:
        endings = ", ".join((".safetensors", *PICKLED))
        raise ValueError(f"{folder}: no file in it ends in {endings}")
    data = data_of(competition)
    model = competition.model
    wanted = models.build(model.architecture, **model.arguments).state_dict()
    observer = Observer(model, data)
    batches = [paths[i : i + TOGETHER] for i in range(0, len(paths), TOGETHER)]
    pools = [observer.weights([_weights(path, wanted) for path in batch]) for batch in batches]
    return _arrays(Pool.concatenate(pools), data)


def of_reference(competition: Competition) -> list[dict[str, np.ndarray]]:
    """The outputs of both retrained pools of a competition, trained now if they are missing."""
    reference = prepare(competition)
    return [_arrays(pool, reference.data) for pool in (reference.retrained, reference.second)]


def _arrays(pool: Pool, data: Data) -> dict[str, np.ndarray]:
    """A pool by the names of `harness.external.SHAPES`."""
    names = {"forget_logits": "logits"}
    arrays = {names.get(name, name): values for name, values in pool.arrays().items()}
    return arrays | {"labels": data.forget["label"]}


def _weights(path: Path, wanted: Mapping[str, Tensor]) -> Weights:
    state = _load(path)
    if differing := sorted(wanted.keys() ^ state.keys()):
        missing = [name for name in differing if name in wanted]
        what = f"lacks {missing[0]!r}" if missing else f"has an unknown {differing[0]!r}"
        raise ValueError(
            f"{path} {what}: {len(differing)} names are not those of the competition's model"
        )
    for name, tensor in wanted.items():
        if state[name].shape != tensor.shape or state[name].dtype != tensor.dtype:
            raise ValueError(
                f"{path}: {name!r} is {state[name].dtype} {list(state[name].shape)}, the "
                f"competition's model has {tensor.dtype} {list(tensor.shape)}"
            )
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"{path}: {name!r} has NaN or infinite values")
    return {name: state[name].numpy() for name in wanted}


def _load(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is no file of weights, or is damaged: {reason}") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no state dict: save `net.state_dict()`")
    return dict(state)
