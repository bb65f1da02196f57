"""Reads who is on which image from a spreadsheet's table, so that nobody counts as two."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.competition import CompetitionError
from harness.data.notices import tell

UNKNOWN = "unknown"
_NEEDED = ("file", "identity")


def identities(table: Path, files: Sequence[str], *, exact: bool = False) -> np.ndarray:
    """The number of each file's identity: first by the order of names, then the unknown ones.

    Parameters
    ----------
    table : Path
        A CSV with the columns `file` and `identity`, in UTF-8, UTF-16 or Windows-1252, separated
        by commas, semicolons or tabs. Each "unknown" identity is somebody who is on no other
        image.
    files : sequence of str
        Each has one row.
    exact : bool
        Whether identities that differ only in case, width, leading zeros or spaces are different
        persons.

    Raises
    ------
    CompetitionError
        If the table cannot be read, does not fit the files, or spells one person in two ways.
    """
    known: dict[str, str] = {}
    for file, identity in _rows(table):
        if known.setdefault(file, identity) != identity:
            raise CompetitionError(f"{table} gives {file} two identities; remove one")
    names = [_file(file) for file in files]
    if odd := sorted(known.keys() ^ set(names)):
        what = "does not name" if odd[0] in names else "names, but there is not,"
        raise CompetitionError(
            f"{table} {what} {odd[0]} ({len(odd)} such in all); give each image one row"
        )
    empty = [file for file in names if not known[file]]
    if empty:
        raise CompetitionError(
            f"{table} gives {len(empty)} of {len(names)} images no identity, {empty[0]} the first: "
            f'write "{UNKNOWN}" where nobody knows who it is; each of those counts as somebody '
            "of their own"
        )
    if not exact:
        _refuse_alike(table, set(known.values()))
    # An unknown person gets the name of their image, after all other names.
    persons = [
        (known[file] == UNKNOWN, file if known[file] == UNKNOWN else known[file]) for file in names
    ]
    number = {person: i for i, person in enumerate(sorted(set(persons)))}
    return np.array([number[person] for person in persons])


def _rows(table: Path) -> list[tuple[str, str]]:
    """File and identity of each row, in one spelling, without rows that are empty."""
    text = _text(table)
    header = "".join(text.splitlines()[:1])
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        columns = [name.strip().lower() for name in next(rows, [])]
        if not set(_NEEDED) <= set(columns):
            raise CompetitionError(
                f"{table} needs the columns file,identity in its first row; that row is {header!r}"
            )
        places = [columns.index(name) for name in _NEEDED]
        found = [[(row[i] if i < len(row) else "") for i in places] for row in rows if row]
    except csv.Error as error:
        raise CompetitionError(f"{table} is not a CSV: {error}") from None
    return [
        (_file(file), _identity(identity))
        for file, identity in found
        if file.strip() or identity.strip()
    ]


def _text(table: Path) -> str:
    content = table.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content:
        encodings = []
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp1252":
            tell(f"{table} is not UTF-8: read as Windows-1252; if names look odd, save it as UTF-8")
        return text
    raise CompetitionError(
        f"{table} is neither UTF-8, UTF-16 nor Windows-1252: save it as 'CSV UTF-8'"
    )


def _file(name: str) -> str:
    """A file's name in one spelling for table and disk."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./")


def _identity(name: str) -> str:
    spelled = unicodedata.normalize("NFC", name).strip()
    return UNKNOWN if spelled.lower() == UNKNOWN else spelled


def _refuse_alike(table: Path, names: set[str]) -> None:
    alike: dict[str, str] = {}
    for name in sorted(names):
        folded = unicodedata.normalize("NFKC", name).casefold()
        visible = "".join(c for c in folded if c.isprintable() and not c.isspace())
        key = re.sub(r"(?<!\d)0+(?=\d)", "", visible)
        if (other := alike.setdefault(key, name)) != name:
            raise CompetitionError(
                f"{table} has the identities {other!r} and {name!r}, which look like one: spell "
                "them alike, or state data.exact_identities = true if they are different persons"
            )
