"""Anyone's own images: one folder a class, and perhaps a table of who is on them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from harness.competition import CompetitionError
from harness.data.columns import Columns
from harness.data.images import read_images

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def image_folder(folder: str, size: int) -> Columns:
    """Images in [0, 1], labelled by the folder that they lie in, in the order of its name.

    Parameters
    ----------
    folder : str
        Holds one folder a class. A file `identities.csv` with the columns `file` (as in
        "cats/1.jpg") and `identity` (any text) adds a column `person_id`.
    size : int
        Height and width in pixels, to which the images are resized.

    Raises
    ------
    CompetitionError
        If a class has no image, an image is damaged, or the table does not fit the images.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CompetitionError(f"there is no folder {root}; put one folder of images a class there")
    classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [
        sorted(p for p in c.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        for c in classes
    ]
    if not classes or not all(found):
        empty = next((c for c, paths in zip(classes, found, strict=True) if not paths), root)
        raise CompetitionError(f"there is no image in {empty}; add some, or remove the folder")
    paths = [path for own in found for path in own]
    columns = {
        "image": read_images(paths, size),
        "label": np.repeat(np.arange(len(classes)), [len(own) for own in found]),
        "image_id": np.arange(len(paths)),
    }
    table = root / "identities.csv"
    if table.exists():
        columns["person_id"] = _identities(table, [p.relative_to(root).as_posix() for p in paths])
    return columns


def _identities(table: Path, files: list[str]) -> np.ndarray:
    """The number of each file's identity, in the order of their names."""
    with table.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    if any(not row.get("file") or not row.get("identity") for row in rows):
        raise CompetitionError(f"{table} needs the columns file,identity, both filled in each row")
    identities: dict[str, str] = {}
    for row in rows:
        if identities.setdefault(row["file"], row["identity"]) != row["identity"]:
            raise CompetitionError(f"{table} gives {row['file']} two identities; remove one")
    if odd := sorted(set(identities) ^ set(files)):
        what = "does not name" if odd[0] in files else "names, but there is not,"
        raise CompetitionError(f"{table} {what} {odd[0]}; give each image one row")
    return np.unique([identities[file] for file in files], return_inverse=True)[1]
