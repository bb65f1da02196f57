"""Starts a competition from a folder of images: tries splits, writes its file, says its cost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness import competition as competitions
from harness import data as datasets
from harness import store
from harness.competition import PACKAGED, CompetitionError, Forget, Splits
from harness.data import Columns, Data
from harness.epsilon.calibration import LEAST_IMAGES
from harness.reference import cost, preview
from harness.reference.pools import check_model

TEMPLATE = """\
# Made from a folder of images; docs/hosting.md says what else it can hold.
dataset = "image_folder"
# The folder, seen from this file; images are resized to this many pixels a side.
data = {{ folder = {folder}, size = {size} }}

[splits]
seed = 0
# Of what is not forgotten: shares, or numbers from 1 on; the rest is the test set.
retain = {splits.retain}
validation = {splits.validation}
# {why}
forget = {{ kind = "{splits.forget.kind}", count = {splits.forget.count} }}

[model]
# The challenge's own is larger: "resnet18", with {{ num_classes = {classes} }}.
architecture = "small_resnet"
arguments = {{ channels = 3, classes = {classes}, widths = [16, 32, 64], stem_stride = 2 }}

[training]
seed = 0
epochs = 30
batch_size = {batch_size}
learning_rate = 1e-3
weight_decay = 1e-2

[evaluation]
runs = 512
"""
PERSONS = (
    "A twentieth of the persons, none of them in another split; each unknown one has one image."
)
RANDOM = "A twentieth at random: without an identities.csv nobody knows who is on the images."
UNDECIDED = (
    "left to decide, in that file; docs/hosting.md explains each:",
    "  who is forgotten: splits.forget",
    "  the model and its training: these are only a start",
    "  evaluation.runs: 512 are the challenge's, 128 do for a course; and evaluation.limits",
    '  evaluation.require_isolation = "full", if strangers hand files in',
    "  [teams]: when it opens and closes, and how many attempts a day; then a private twin",
)
SIZE = 32
# Retain and validation set; of few images a tenth is too little to calibrate confidences on.
SHARES, FEW, MANY = (0.8, 0.1), (0.6, LEAST_IMAGES), 250


def create(name: str, folder: Path) -> Iterator[str]:
    """Write `reference/<name>.toml` for a folder of images whose splits hold.

    Parameters
    ----------
    name : str
        The competition's name, which no other has.
    folder : Path
        As the dataset `image_folder` takes it: one folder per class, perhaps an `identities.csv`.

    Yields
    ------
    str
        What was written, what it will cost on this machine, whether the forget set is memorised,
        and what is left to decide, line by line.

    Raises
    ------
    CompetitionError
        If the name is taken, or no competition can be made of the images as they are.
    """
    path = Path("reference") / f"{name}.toml"
    for taken in (path, PACKAGED / path.name):
        if taken.exists():
            raise CompetitionError(f"{taken} exists already; take another name")
    columns = datasets.read("image_folder", {"folder": str(folder), "size": SIZE})
    splits = _splits(columns)
    data = datasets.divide(columns, splits)
    text = TEMPLATE.format(
        folder=json.dumps(_seen_from(path, folder), ensure_ascii=False),
        size=SIZE,
        splits=splits,
        why=PERSONS if splits.forget.kind == "identities" else RANDOM,
        classes=data.classes,
        batch_size=_batch_size(data),
    )
    path.parent.mkdir(exist_ok=True)
    store.write(path, text)
    competition = competitions.load(str(path))
    check_model(competition, data)
    yield f"{path} is written"
    yield _sizes(data)
    estimate = cost.estimate(competition, data)
    yield from cost.told(competition, estimate)
    yield from preview.told(competition, data, estimate)
    yield from UNDECIDED


def _seen_from(toml: Path, folder: Path) -> str:
    """A relative folder relative to the TOML, beginning with a dot, so that both can move."""
    if folder.is_absolute():
        return folder.as_posix()
    return f"./{os.path.relpath(folder, toml.parent)}".replace("./../", "../", 1)


def _splits(columns: Columns) -> Splits:
    """A forget set of a twentieth of the persons, or of the images if no person is known."""
    kind = "identities" if "person_id" in columns else "random"
    _, images = np.unique(columns.get("person_id", columns["image_id"]), return_counts=True)
    # At least two if some have only one image, because the forget set takes two images.
    forget = Forget(kind, count=max(len(images) // 20, 2 if images.min() == 1 else 1))
    retain, validation = SHARES if len(columns["label"]) >= MANY else FEW
    return Splits(seed=0, forget=forget, retain=retain, validation=validation)


def _batch_size(data: Data) -> int:
    """64, or a little less if the last batch would be one image, which batch norm refuses."""
    sizes = len(data.retain["label"]), len(data.train["label"])
    return next(size for size in range(64, 1, -1) if 1 not in (n % size for n in sizes))


def _sizes(data: Data) -> str:
    parts = {name: getattr(data, name) for name in ("retain", "forget", "validation", "test")}
    total = sum(len(part["label"]) for part in parts.values())
    shown = ", ".join(f"{len(part['label'])} {name}" for name, part in parts.items())
    return f"images: {total} of {data.classes} classes: {shown}"
