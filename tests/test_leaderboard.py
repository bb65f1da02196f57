"""Rows become a ranked table: by score, apart for each N, failed ones last."""

import json

import numpy as np
import pandas as pd
import pytest

from harness import leaderboard
from harness.leaderboard import COLUMNS


def row(name: str, score: float | None, runs: int = 512, key: str = "k", **more) -> dict:
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
    return {"submission": name, "runs": runs, "key": key, "status": status} | scored | more


@pytest.fixture
def results(tmp_path):
    def keep(*rows: dict):
        for kept in rows:
            folder = tmp_path / kept["submission"]
            folder.mkdir(exist_ok=True)
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
    assert tuple(frame.columns) == COLUMNS


def test_different_numbers_of_runs_are_ranked_apart(results):
    frame = results(row("a", 0.5), row("a", 0.9, runs=64), row("b", 0.4, runs=64))
    assert list(zip(frame["runs"], frame["submission"], frame["rank"], strict=True)) == [
        (512, "a", 1),
        (64, "a", 1),
        (64, "b", 2),
    ]


def test_rows_of_another_reference_are_not_compared(results):
    assert list(results(row("a", 0.5), row("old", 0.9, key="other"))["submission"]) == ["a"]


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
    read = leaderboard.read(path)
    assert list(read["submission"]) == list(frame["submission"])
    assert list(read["rank"]) == [1, pd.NA] or read["rank"].isna().tolist() == [False, True]


def test_a_row_that_cannot_be_read_costs_no_other(results):
    results(row("a", 0.5), row("b", 0.4))
    (results.folder / "b" / "row-512.json").write_text('{"submission": "b", "ru')
    assert list(leaderboard.update(results.folder, "k")["submission"]) == ["a"]


def test_the_printed_table_fits_80_columns(results):
    frame = results(row("a_name_that_goes_on_and_on_for_ever", 0.987654), row("broken", None))
    frame.loc[0, "retrain_fraction"] = 12.34
    assert max(map(len, leaderboard.table(frame).splitlines())) <= 80
    frame["status"] = frame["status"].replace("crashed", "invalid_submission")
    assert max(map(len, leaderboard.table(frame).splitlines())) == 80
    frame["status"] = frame["status"].replace("invalid_submission", "crashed")
    lines = leaderboard.table(frame).splitlines()
    assert max(map(len, lines)) <= 80
    assert "0.9877" in lines[1]
    assert "crashed" in lines[2]
    assert "nan" not in leaderboard.table(frame).lower()


def test_an_empty_leaderboard_says_so(tmp_path):
    assert "empty" in leaderboard.table(leaderboard.update(tmp_path, "k"))


def test_a_row_reads_back(tmp_path):
    kept = row("a", 0.5)
    leaderboard.write_row(tmp_path, kept)
    assert leaderboard.read_row(tmp_path, 512) == json.loads(json.dumps(kept))
    assert leaderboard.read_row(tmp_path, 64) is None


@pytest.mark.parametrize("name", ["null", "007", "1e3", "a,b", 'a "b"'])
def test_a_name_is_read_as_it_stands(results, name):
    results(row(name, 0.5))
    frame = leaderboard.read(results.folder / "leaderboard.csv")
    assert list(frame["submission"]) == [name]
    assert name in leaderboard.table(frame)
