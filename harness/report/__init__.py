"""The report: a competition's results as one page that needs no network and no server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from harness import columns, leaderboard, store
from harness.competition import Competition, CompetitionError
from harness.reference.pools import cached
from harness.report import figures
from harness.report.sections import NO_REFERENCE, Row, Section, section
from harness.text import clean

_HERE = Path(__file__).parent
PAGE, BOARD = "report.html", "leaderboard.csv"


def is_current(results: Path) -> bool:
    """Whether the page shows the leaderboard's content; file times mean nothing after a copy."""
    page = results / PAGE
    return page.is_file() and _digest(results) in page.read_text(encoding="utf-8")


def _digest(results: Path) -> str:
    return hashlib.sha256((results / BOARD).read_bytes()).hexdigest()


def write(competition: Competition, results: Path) -> Path:
    """Draw the results as they stand; nothing is run, trained or scored.

    Parameters
    ----------
    competition : Competition
    results : Path
        The competition's folder, with its `leaderboard.csv`.

    Returns
    -------
    Path
        The path of `report.html` in that folder.

    Raises
    ------
    CompetitionError
        If nothing was evaluated yet, or if the competition's data cannot be read.
    StoreError
        If the page cannot be written.
    """
    if not (results / BOARD).exists():
        raise CompetitionError(f"there is no {results / BOARD} yet: evaluate something first")
    digest = _digest(results)
    rows = _rows(results)
    references = {
        count: cached(replace(competition, evaluation=replace(competition.evaluation, runs=count)))
        for count in {row["runs"] for row in rows}
    }
    lines = [row for row in rows if row["status"] == "baseline"]
    limits = figures.score_limits([row["score"] for row in rows if "score" in row])
    sections = [
        section(
            row,
            leaderboard.submission_folder(results, row["submission"]),
            references[row["runs"]],
            limits,
            [line["score"] for line in lines if line["runs"] == row["runs"] and "score" in line],
        )
        for row in rows
    ]
    page = results / PAGE
    no_reference = None in references.values()
    store.write(page, _render(competition, sections, limits, digest, no_reference))
    return page


def _rows(results: Path) -> list[Row]:
    """The leaderboard's rows in its order, with what the table has no column for."""
    board = leaderboard.read(results / BOARD)
    rows: list[Row] = []
    for line in board.to_dict("records"):
        shown = {str(name): value for name, value in line.items() if pd.notna(value)}
        folder = leaderboard.submission_folder(results, shown["submission"])
        stored = leaderboard.read_row(folder, shown["runs"])
        rows.append(shown | (stored.known() if stored else {}))
    return rows


def _render(
    competition: Competition,
    sections: list[Section],
    limits: tuple[float, float],
    digest: str,
    no_reference: bool,
) -> str:
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    script_digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        environment(_HERE)
        .get_template("page.html")
        .render(
            competition=competition,
            sections=sections,
            columns=columns.shown(columns.PAGE),
            details=columns.shown(columns.DETAILS),
            axis=figures.interval_axis(limits),
            note=NO_REFERENCE if no_reference else "",
            script=Markup(script),
            script_hash=script_digest,
            digest=digest,
            style=style(),
            unlearned=figures.UNLEARNED,
            retrained=figures.RETRAINED,
        )
    )


def environment(folder: Path) -> jinja2.Environment:
    """Templates of a folder; every value is escaped and none may be missing."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def style() -> Markup:
    """The style sheet of every page."""
    return Markup((_HERE / "page.css").read_text(encoding="utf-8"))


def _printable(value: object) -> object:
    """Text without what a terminal or a browser would obey; names and logs may hold anything."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return clean(value)
