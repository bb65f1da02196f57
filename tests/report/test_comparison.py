"""The page that compares competitions: ranks and scores by method, and how far orders agree."""

import pandas as pd
import pytest

from harness.columns import CSV, shown
from harness.report.comparison import compare
from tests.report.conftest import HOSTILE, Page


@pytest.fixture
def results(tmp_path):
    """Two boards with three methods in common, and a board of something else."""
    board(tmp_path / "one", ["a_b", "c", "d", "e"], 512)
    board(tmp_path / "two", ["c", "a_b", "d"], 64)
    (tmp_path / "repair").mkdir()
    pd.DataFrame({"identifier": ["x"]}).to_csv(tmp_path / "repair/leaderboard.csv")
    return tmp_path


def board(folder, names, runs):
    folder.mkdir()
    frame = pd.DataFrame(columns=[column.key for column in shown(CSV)])
    frame["submission"] = [*names, "(floor)", HOSTILE.replace("/", "")]
    frame["rank"] = [*range(1, len(names) + 1), None, None]
    frame["score"] = [0.5 / place for place in range(1, len(names) + 1)] + [0.001, None]
    frame["runs"], frame["status"] = runs, "scored"
    frame["sha256"] = [f"{name} {'' if name != 'd' else runs}" for name in frame["submission"]]
    frame.to_csv(folder / "leaderboard.csv", index=False)


def test_methods_stand_by_their_ranks_in_every_competition(results):
    page = Page(compare(results).read_text(encoding="utf-8"))
    names = [e["text"] for e in page.all("bdi")]
    assert names == ["a_b", "c", "d", "e"]
    cells = [e["text"].strip() for e in page.all("td")]
    assert cells[:3] == ["1.5", "", ""]  # ranks 1 and 2
    assert [e["text"] for e in page.all("b")] == ["1", "2", "2", "1", "3", "3", "4"]
    assert page.source.count("not the same file everywhere") == 1  # d
    assert "0.2500" in page.source


def test_the_order_of_shared_methods_is_compared(results):
    # Of the three pairs of a_b, c, d one is turned round: (2 - 1) / 3.
    page = Page(compare(results).read_text(encoding="utf-8"))
    assert [e["text"] for e in page.all("td")][-2:] == ["3", "0.33"]


def test_a_board_of_something_else_is_left_alone(results):
    before = (results / "repair/leaderboard.csv").read_bytes()
    page = compare(results).read_text(encoding="utf-8")
    assert "repair" not in page.partition("<main>")[2]
    assert (results / "repair/leaderboard.csv").read_bytes() == before
