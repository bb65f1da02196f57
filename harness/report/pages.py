"""The pages of single rows: each is drawn once, and again only if something in it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from harness import columns, leaderboard, store
from harness.columns import Row
from harness.competition import Competition
from harness.diagnostics import FLAGS
from harness.report.details import Details, gather, log_end, source
from harness.report.standard import Standard
from harness.report.templates import environment, version
from harness.run_store import runs_folder

FOLDER = "report"
MARK = '<meta name="drawn-from"'  # which every page of ours has, with a digest
_LONGEST = 200  # bytes of a file's name


def address(row: Row) -> str:
    """Where the page of a row is, as seen from the leaderboard's."""
    return f"{FOLDER}/{quote(_file(row))}"


def has_page(row: Row) -> bool:
    """Whether there is more to say of a row than the board says: not of its bounds."""
    return row.score_low is not None or row.score is None


class Pages:
    """The pages of a competition's rows.

    Parameters
    ----------
    competition : Competition
    results : Path
        The competition's folder; the pages are in `report` there.
    standards : mapping of int to Standard
        What rows are compared with, by the number of runs; None where it is not cached.
    """

    def __init__(
        self, competition: Competition, results: Path, standards: Mapping[int, Standard | None]
    ) -> None:
        self._competition, self._results, self._standards = competition, results, standards
        self._folder = results / FOLDER
        self._template = environment().get_template("details.html")
        self._kept: set[Path] = set()

    def write(self, row: Row) -> None:
        """Draw the page of a row, unless it is there."""
        folder = leaderboard.submission_folder(self._results, row.submission)
        standard = self._standards[row.runs]
        path = self._folder / _file(row)
        digest = self._digest(row, folder, standard)
        self._kept.add(path)
        if not path.is_file() or digest not in _head(path):
            store.write(path, self._render(gather(row, folder, standard), digest))

    def remove_others(self) -> None:
        """Remove pages that were drawn for rows which are not on the board any more."""
        for path in self._folder.glob("*.html"):
            if path not in self._kept and MARK in _head(path):
                path.unlink()

    def _render(self, details: Details, digest: str) -> str:
        row = details.row
        known = row.known()
        anchor = quote(f"{quote(row.submission, safe='')}-{row.runs}")
        return self._template.render(
            competition=self._competition,
            details=details,
            known=known,
            back=f"../report.html#row:{anchor}",
            captions={name: rule.caption for name, rule in FLAGS.items()},
            others=[
                (column.title, column.text(known), column.caption)
                for column in columns.shown(columns.DETAILS)
            ],
            digest=digest,
        )

    def _digest(self, row: Row, folder: Path, standard: Standard | None) -> str:
        """Of everything that the page shows."""
        own = asdict(row) | {"rank": None, "rank_group": None}  # as others' rows decide them
        parts = [
            version(),
            self._competition.name,
            json.dumps(own),
            log_end(folder),
            source(row, folder).hex(),
            _text(leaderboard.examples_file(folder, row.runs)),
            _text(leaderboard.metrics_file(folder, row.runs)),
        ]
        if standard is not None:
            outputs = runs_folder(folder, standard.reference.fingerprint, row.sha256 or "")
            parts += [
                standard.reference.fingerprint,
                _text(outputs / "manifest.jsonl"),
                *sorted(f"{path.name} {path.stat().st_size}" for path in outputs.glob("*")),
            ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _file(row: Row) -> str:
    name = leaderboard.submission_folder(Path(), row.submission).name
    if len(name.encode()) > _LONGEST:
        name = "_" + hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name}-{row.runs}.html"


def _head(path: Path) -> str:
    """The beginning of a page, which holds the digest of what it was drawn from."""
    with path.open("rb") as file:
        return file.read(2048).decode(errors="replace")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
