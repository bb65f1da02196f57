"""Anyone's own images: one folder per class, and perhaps a table of who is on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from harness.competition import CompetitionError
from harness.data.columns import Columns, Positive
from harness.data.copies import copies
from harness.data.identities import identities
from harness.data.images import read_images, suffixes
from harness.data.notices import tell

TABLE = "identities.csv"
STRAYS = {"__MACOSX", "@eaDir"}  # and every name that begins with a dot
SHOWN = 5  # of a long list


def image_folder(folder: str, size: Positive, exact_identities: bool = False) -> Columns:
    """Images in [0, 1], labelled by their folder, in the order of the folders' names.

    Files that are not images, and what systems leave behind (`.DS_Store`, `__MACOSX`, `@eaDir`,
    names that begin with a dot), are skipped and counted. Equal images are reported.

    Parameters
    ----------
    folder : str
        Holds one folder per class, with images at any depth; folders may be links. A file
        `identities.csv` with the columns `file` (as in "cats/1.jpg") and `identity` (any text;
        "unknown" is someone else on each image) adds a column `person_id`.
    size : int
        Height and width in pixels, to which the images are resized.
    exact_identities : bool
        Whether identities that differ only in case, width, leading zeros or spaces are different
        persons. By default such a table is refused.

    Raises
    ------
    CompetitionError
        If a class has no image, images cannot be read, or the table does not fit the images.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CompetitionError(f"there is no folder {root}; put a folder of images per class there")
    skipped: Counter[str] = Counter()
    classes, others = _parted(_entries(root, skipped))
    skipped.update(f"*{path.suffix}" for path in others if path.name != TABLE)
    found = [sorted(f for f in _files(c, skipped) if _is_image(f, skipped)) for c in classes]
    if not classes or not all(found):
        empty = next((c for c, paths in zip(classes, found, strict=True) if not paths), root)
        raise CompetitionError(f"there is no image in {empty}; add some, or remove the folder")
    if skipped:
        tell(f"{root}: skipped {_listed(f'{n} {what}' for what, n in skipped.most_common())}")
    paths = [path for own in found for path in own]
    names = [path.relative_to(root).as_posix() for path in paths]
    columns = {
        "image": read_images(paths, size),
        "label": np.repeat(np.arange(len(classes)), [len(own) for own in found]),
        "image_id": np.arange(len(paths)),
    }
    table = root / TABLE
    if table.exists():
        columns["person_id"] = identities(table, names, exact=exact_identities)
    _tell_copies(root, names, columns)
    return columns


def _entries(folder: Path, skipped: Counter[str]) -> list[Path]:
    """The entries of a folder, by name, without what a system left there."""
    own = sorted(folder.iterdir())
    strays = [path for path in own if path.name.startswith(".") or path.name in STRAYS]
    skipped.update("._*" if path.name.startswith("._") else path.name for path in strays)
    return [path for path in own if path not in strays]


def _parted(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Folders, and the other entries."""
    folders = [path for path in paths if path.is_dir()]
    return folders, [path for path in paths if path not in folders]


def _files(folder: Path, skipped: Counter[str], above: frozenset[Path] = frozenset()) -> list[Path]:
    """All files below a folder, linked folders included; none twice, even if links form a ring."""
    real = folder.resolve()
    if real in above:
        return []
    folders, own = _parted(_entries(folder, skipped))
    return own + [file for f in folders for file in _files(f, skipped, above | {real})]


def _is_image(path: Path, skipped: Counter[str]) -> bool:
    # A link to nowhere is an image that cannot be read.
    is_image = path.suffix.lower() in suffixes() and (path.is_file() or path.is_symlink())
    if not is_image:
        skipped[path.name if path.name == "Thumbs.db" else f"*{path.suffix}"] += 1
    return is_image


def _tell_copies(root: Path, names: list[str], columns: Columns) -> None:
    """Report equal images: they stay in one split, and a label is wrong if theirs differ."""
    groups = copies(columns["image"])
    pairs = [(first, own) for own, first in enumerate(groups.tolist()) if first != own]
    if not pairs:
        return
    torn = [pair for pair in pairs if len(set(columns["label"][list(pair)])) > 1]
    shown = _listed(f"{names[a]} = {names[b]}" for a, b in torn or pairs)
    what = f", and {len(torn)} of them of another class" if torn else ""
    tell(f"{root}: {len(pairs)} images are copies of others{what}, and stay in one split: {shown}")


def _listed(parts: Iterable[str]) -> str:
    every = list(parts)
    more = [f"{len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return ", ".join(every[:SHOWN] + more)
