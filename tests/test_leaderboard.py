"""Rows become a ranked table: by score, apart for each N, failed ones last."""

import shutil

import numpy as np
import pandas as pd
import pytest

from harness import leaderboard, terminal
from harness.columns import Row

COLUMNS = (
    "rank rank_group submission score score_low score_high strict_score forgetting_quality utility "
    "retain_accuracy test_accuracy forget_accuracy epsilon_median epsilon_p90 neurips2023_score "
    "klom runs seconds_per_run retrain_fraction status flags isolation memory device "
    "metric_version reference sha256 evaluated_at"
)


def row(name: str, score: float | None, runs: int = 512, reference: str = "k", **more) -> Row:
    scored = (
        {
            "score": score,
            "score_low": score - 0.01,
            "score_high": score + 0.01,
            "forget_accuracy": 0.9,
            "test_accuracy": 0.95,
            "neurips2023_score": score / 5,
            "retrain_fraction": 0.1,
            "at_floor": False,
            "draws": list(score + 0.005 * np.random.default_rng(0).standard_normal(200)),
        }
        if score is not None
        else {}
    )
    status = "scored" if score is not None else "crashed"
    needed = {"submission": name, "runs": runs, "reference": reference, "status": status}
    return Row(**(needed | scored | more))


@pytest.fixture
def results(tmp_path):
    def keep(*rows: Row):
        for kept in rows:
            folder = leaderboard.submission_folder(tmp_path, kept.submission)
            leaderboard.write_row(folder, kept)
        return leaderboard.update(tmp_path, "k")

    keep.folder = tmp_path
    return keep


def test_rows_are_sorted_by_score_and_failed_ones_come_last(results):
    frame = results(row("b", 0.2), row("broken", None), row("a", 0.9), row("c", 0.5))
    assert list(frame["submission"]) == ["a", "c", "b", "broken"]
    assert list(frame["rank"].dropna()) == [1, 2, 3]
    assert pd.isna(frame["rank"].iloc[3])
    assert pd.isna(frame["score"].iloc[3])
    # Programs read this file: names stay, and new ones come last.
    assert " ".join(frame.columns) == COLUMNS


def test_different_numbers_of_runs_are_ranked_apart(results):
    frame = results(row("a", 0.5), row("a", 0.9, runs=64), row("b", 0.4, runs=64))
    assert list(zip(frame["runs"], frame["submission"], frame["rank"], strict=True)) == [
        (512, "a", 1),
        (64, "a", 1),
        (64, "b", 2),
    ]


def test_rows_of_another_reference_are_not_compared(results):
    assert list(results(row("a", 0.5), row("old", 0.9, reference="other"))["submission"]) == ["a"]


def test_equal_rows_share_a_rank_group(results):
    frame = results(row("a", 0.500), row("b", 0.500), row("c", 0.1))
    groups = list(frame["rank_group"])
    assert groups[0] == groups[1] != groups[2]


def test_the_file_is_the_same_every_time_and_reads_back(results):
    frame = results(row("a", 1 / 3), row("broken", None))
    path = results.folder / "leaderboard.csv"
    first = path.read_bytes()
    leaderboard.update(results.folder, "k")
    assert path.read_bytes() == first
    assert b",0.333333," in first  # six digits of every figure
    read = leaderboard.read(path)
    assert list(read["submission"]) == list(frame["submission"])
    assert list(read["rank"]) == [1, pd.NA] or read["rank"].isna().tolist() == [False, True]


def test_a_damaged_file_is_made_again_from_the_newest_reference(results):
    results(
        row("old", 0.5, reference="a", evaluated_at="2026-01-01"),
        row("the newest", 0.4, reference="b", evaluated_at="2026-01-03"),
        row("older", 0.3, reference="a", evaluated_at="2026-01-02"),
    )
    path = results.folder / "leaderboard.csv"
    path.write_text("score;submission\n")
    assert list(leaderboard.read(path)["submission"]) == ["the newest"]


def test_a_row_that_cannot_be_read_costs_no_other(results):
    results(row("a", 0.5), row("b", 0.4))
    (results.folder / "submissions/b" / "row-512.json").write_text('{"submission": "b", "ru')
    assert list(leaderboard.update(results.folder, "k")["submission"]) == ["a"]


def test_baselines_stand_by_their_scores_and_have_no_rank(results):
    leaderboard.write_row(
        results.folder / "baselines/floor", row("(floor)", 0.01, status="baseline")
    )
    frame = results(row("noise", 0.3, status="baseline"), row("a", 0.5), row("b", 0.2))
    assert list(frame["submission"]) == ["a", "noise", "b", "(floor)"]
    assert frame["rank"].fillna(0).tolist() == [1, 0, 2, 0]


def test_slow_rows_stand_apart_where_the_competition_says_so(results):
    apart = {"flags": "over_forgetting slow", "over_limit": "apart"}
    frame = results(
        row("retrain", 0.99, **apart),
        row("slower", 0.9, **apart),
        row("a", 0.5, flags="over_forgetting", over_limit="apart"),
        row("b", 0.1, over_limit="apart"),
        row("broken", None, over_limit="apart"),
    )
    assert list(frame["submission"]) == ["a", "b", "retrain", "slower", "broken"]
    assert frame["rank"].fillna(0).tolist() == [1, 2, 0, 0, 0]
    assert frame["rank_group"].fillna(0).tolist() == [1, 2, 3, 3, 0]


def test_a_line_stands_by_its_score_however_slow_it_is(results):
    line = row("retrain", 0.99, flags="slow", over_limit="apart", status="baseline")
    frame = results(line, row("a", 0.5, over_limit="apart"))
    assert list(frame["submission"]) == ["retrain", "a"]
    assert frame["rank"].fillna(0).tolist() == [0, 1]


def test_slow_rows_are_ranked_and_marked_else(results):
    frame = results(row("retrain", 0.99, flags="slow", over_limit="mark"), row("a", 0.5))
    assert frame["rank"].tolist() == [1, 2]
    assert frame["flags"].tolist()[0] == "slow"


def test_rows_that_are_all_apart_have_a_group(results):
    frame = results(row("retrain", 0.99, flags="slow", over_limit="apart"))
    assert (frame["rank"].isna().all(), frame["rank_group"].tolist()) == (True, [1])


def test_shipped_rows_stand_where_nothing_was_evaluated_here(results, tmp_path, monkeypatch):
    shipped = results(row("a", 0.5), row("b", 0.4), row("b", 0.4, runs=64), row("bad", None))
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    shipped.to_csv(packaged / f"{tmp_path.name}.csv", index=False)
    monkeypatch.setattr(leaderboard, "PACKAGED", packaged)
    shutil.rmtree(tmp_path / "submissions")
    frame = results(row("mine", 0.45), row("b", 0.1))
    assert list(frame["submission"]) == ["a", "mine", "b"]
    assert list(frame["status"]) == ["shipped", "scored", "scored"]
    assert frame["rank"].fillna(0).tolist() == [0, 1, 2]
    other = leaderboard.update(tmp_path, "of another reference")
    assert other.empty


def test_a_row_reads_back(tmp_path):
    kept = row("a", 0.5)
    leaderboard.write_row(tmp_path, kept)
    assert leaderboard.read_row(tmp_path, 512) == kept
    assert leaderboard.read_row(tmp_path, 64) is None


@pytest.mark.parametrize("name", ["null", "007", "1e3", "a,b", 'a "b"'])
def test_a_name_is_read_as_it_stands(results, name):
    results(row(name, 0.5))
    frame = leaderboard.read(results.folder / "leaderboard.csv")
    assert list(frame["submission"]) == [name]
    assert name in terminal.table(frame)


def test_a_name_that_cannot_be_one_has_a_folder_apart_and_is_no_formula(results):
    frame = results(row("=1+1", None), row("..", None), row("a", 0.5))
    assert list(frame["submission"]) == ["a", "..", "'=1+1"]
    folders = results.folder.joinpath("submissions").iterdir()
    assert sorted(path.name[0] for path in folders) == ["_", "_", "a"]
    assert [path.name for path in results.folder.iterdir() if path.suffix] == ["leaderboard.csv"]
