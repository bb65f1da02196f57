"""The repair competition's results as one page, with the curve of accuracy against K."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness import store
from harness.repair.cases import AT_ONCE
from harness.repair.competition import RepairCompetition
from harness.repair.curve import Points
from harness.repair.scores import interval
from harness.report import environment, figures

PLOTS = {
    "held_out": "accuracy on held-out failures",
    "test": "test accuracy",
}


def write(
    results: Path, competition: RepairCompetition, frame: pd.DataFrame, points: Points
) -> Path:
    """Draw `report.html` in `results`.

    Parameters
    ----------
    results : Path
    competition : RepairCompetition
    frame : DataFrame
        What `leaderboard.write` returned.
    points : Points
        The curve.
    """
    page = environment(Path(__file__).parent).get_template("report.html")
    text = page.render(
        competition=competition,
        rows=[
            {str(name): value for name, value in row.items() if pd.notna(value)}
            for row in frame.to_dict("records")
        ],
        curve_seeds=min(competition.evaluation.seeds, AT_ONCE),
        plots={title: _plot(points, split, title) for split, title in PLOTS.items()},
    )
    path = results / "report.html"
    store.write(path, text)
    return path


def _plot(points: Points, split: str, title: str) -> Markup:
    lines = {
        name: (list(of_k), np.array([interval(own[split]) for own in of_k.values()]))
        for name, of_k in points.items()
    }
    return figures.curves(lines, "K, examples forgotten", title)
