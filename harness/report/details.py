"""Gathers what the page of a row shows from its folder, and says what is missing."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import leaderboard, runs
from harness.columns import Row
from harness.report import figures, plots
from harness.report.methods import Method, describe
from harness.report.plots import Figure
from harness.report.standard import Standard, Views
from harness.report.svg import Plot
from harness.run_store import SOURCE, runs_folder
from harness.sources import SHIPPED

HARDEST = EASIEST = 6
_READ, _SHOWN = 1 << 16, 6000  # bytes of a log
_RUN = re.compile(r"run \d+: [\d.]+ s, \d+ MiB")
NO_REFERENCE = (
    "The reference of this competition is not in the cache, so there are no retrained models to "
    "compare with; `make reference` trains it, and `make report` then draws the rest."
)
NO_OUTPUTS = (
    "The outputs of its {runs} runs are not all there, so its distributions cannot be drawn; "
    "evaluate it again to have them."
)
SHIPPED_ROW = (
    "This row came with the harness and was not run here, so only its figures are known; "
    "evaluate the method to have the rest."
)
NO_RETAIN = (
    "Its runs or the reference were made before outputs of retain examples were kept, so these "
    "are not shown; remove `{folder}` and the reference's cache, and evaluate again to have them."
)
NO_EXAMPLES = (
    "Its table of examples is missing or of another evaluation, so single examples cannot be "
    "shown; evaluate it again with {runs} runs to have them."
)


@dataclass(frozen=True)
class Example:
    """A forget example: its line of the table, epsilons by attacker, its picture, its plot."""

    facts: dict[str, Any]
    by_attacker: dict[str, float]
    picture: str = ""
    svg: Plot | str = ""


@dataclass
class Details:
    """What is shown of a row.

    Attributes
    ----------
    row : Row
    method : Method
        What its file says about itself.
    notes : list of str
        What is missing, and how to get it.
    figures : list of Figure
    examples : dict of str to list of Example
        The hardest and the easiest for the method, by title.
    seconds : dict of str to float
        Median and maximum of a run's seconds (`median`, `most`); empty if unknown.
    log : str
        The end of the log.
    source : str
        The file.
    """

    row: Row
    method: Method
    notes: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    log: str = ""
    source: str = ""


def gather(row: Row, folder: Path, standard: Standard | None) -> Details:
    """Gather and draw what there is to show.

    Parameters
    ----------
    row : Row
    folder : Path
        The submission's own folder in the results.
    standard : Standard, optional
        What the row was scored against, with the same number of models; None if not cached.
    """
    content = source(row, folder)
    text = content.decode("utf-8", "replace")
    made = Details(row, describe(content), log=log_end(folder), source=text)
    if row.score_low is None:
        return made
    if row.status == "shipped":
        made.notes.append(SHIPPED_ROW)
        return made
    name = f"{row.submission}, {row.runs} runs"
    table, done, views = _examples(row, folder), _runs(row, folder, standard), None
    missing = {
        NO_REFERENCE: standard is None,
        NO_OUTPUTS: standard is not None and done is None,
        NO_EXAMPLES: table is None,
    }
    made.notes += [note.format(runs=row.runs) for note, applies in missing.items() if applies]
    if standard is not None and done is not None:
        views = standard.views(done.pool)
        made.seconds = {"median": float(np.median(done.seconds)), "most": done.seconds.max()}
        made.figures += plots.of_outputs(name, done.pool, views, standard)
        if done.pool.retain_logits is None or standard.retrained_retain is None:
            made.notes.append(NO_RETAIN.format(folder=folder))
    if table is not None:
        made.figures += plots.of_examples(name, table, row, standard)
        for title, chosen in _chosen(table).items():
            made.examples[title] = _drawn(name, chosen, plots.by_attacker(table), views, standard)
    return made


def source(row: Row, folder: Path) -> bytes:
    """The Python that was run for the row; empty if no copy of that was kept."""
    shipped = SHIPPED / "submissions" / f"{row.submission}.py"
    for path in (folder / SOURCE, shipped):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == row.sha256:
            return content
    return b""


def log_end(folder: Path) -> str:
    """The end of the log, without the lines of runs that printed nothing."""
    try:
        with (folder / "log.txt").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _READ))
            lines = file.read().decode(errors="replace").rstrip().split("\n")
    except OSError:
        return ""
    if size > _READ:
        lines[0] = "…"
    told = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if not _RUN.fullmatch(line) or after.startswith("  | ")
    ]
    counted = [(line, len([*same])) for line, same in groupby(told)]
    text = "\n".join(f"{line}  (× {n})" if n > 1 and line else line for line, n in counted)
    return text if len(text) <= _SHOWN else "…\n" + text[-_SHOWN:].partition("\n")[2]


def _chosen(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The hardest and the easiest; of equal epsilons, those that differ most are harder."""
    ordered = table.sort_values(["epsilon", "ks_distance"], ascending=False)
    hardest = ordered[:HARDEST]
    easiest = ordered[len(hardest) :][::-1][:EASIEST]
    titles = ("The examples that give it away", "The examples that it forgets best")
    return {t: own for t, own in zip(titles, (hardest, easiest), strict=True) if len(own)}


def _drawn(
    name: str,
    table: pd.DataFrame,
    by_attacker: dict[str, pd.Series],
    views: Views | None,
    standard: Standard | None,
) -> list[Example]:
    """Examples with their pictures and plots, as far as there are outputs to draw."""
    facts: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    found = [
        {name: float(epsilons[at]) for name, epsilons in by_attacker.items() if at in epsilons}
        for at in table.index
    ]
    if views is None or standard is None:
        return [Example(fact, own) for fact, own in zip(facts, found, strict=True)]
    images = standard.reference.data.forget["image"]
    made = []
    for at, fact, own in zip(table.index, facts, found, strict=True):
        view = fact["view"] if fact["view"] in views else "raw"
        pools = {
            "unlearned": views[view][:, at],
            "retrained": standard.retrained[view][:, at],
            "original": standard.original[view][:, at],
        }
        medians = " and ".join(f"{np.median(pools[k]):.2f}" for k in ("unlearned", "retrained"))
        label = (
            f"{name}: {view} confidences in image {fact['image_id']}, unlearned against "
            f"retrained; medians {medians}"
        )
        made.append(Example(fact, own, figures.picture(images[at]), figures.example(pools, label)))
    return made


def _runs(row: Row, folder: Path, standard: Standard | None) -> runs.Runs | None:
    """The row's runs; None if their outputs are not all there, or not to be compared."""
    if standard is None:
        return None
    kept = runs_folder(folder, standard.reference.fingerprint, row.sha256 or "")
    return runs.read(kept, row.runs)


def _examples(row: Row, folder: Path) -> pd.DataFrame | None:
    """The row's table of examples, if that is not another row's of the same submission."""
    try:
        text = leaderboard.metrics_file(folder, row.runs).read_text(encoding="utf-8")
        written = json.loads(text)
        if any(getattr(row, name, None) != value for name, value in written.items()):
            return None
        return pd.read_csv(leaderboard.examples_file(folder, row.runs))
    except (OSError, ValueError):
        return None
