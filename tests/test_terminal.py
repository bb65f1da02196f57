"""The leaderboard in a terminal, word for word, wide and narrow."""

from pathlib import Path

import pytest

from harness import leaderboard
from harness.columns import Row
from harness.terminal import table

FIGURES = {
    "score": 0.987654,
    "score_low": 0.9,
    "score_high": 1.05,
    "strict_score": 0.1234,
    "test_accuracy": 0.95,
    "forget_accuracy": 0.9,
    "retrain_fraction": 0.126,
    "draws": [0.0] * 200,
}
LONG = "a_name_that_goes_on_for_ever"
ROWS = [
    ("submissions", "(retraining)", 64, {"score": 1.0, "status": "baseline"}),
    ("submissions", LONG, 64, FIGURES | {"flags": "slow over_forgetting"}),
    ("submissions", "broken", 64, {"status": "crashed"}),
    ("submissions", "a", 16, FIGURES),
]
LEGEND = "A score of 1 is as good as retraining."


@pytest.fixture
def board(tmp_path: Path):
    for folder, name, runs, figures in ROWS:
        row = Row(**{"submission": name, "runs": runs, "status": "scored"} | figures, reference="k")
        leaderboard.write_row(tmp_path / folder / f"{name}", row)
    return leaderboard.update(tmp_path, "k")


def tables(text: str) -> str:
    return text[: text.index(LEGEND)]


def test_a_wide_one_has_all_in_a_line(board):
    assert (
        tables(table(board))
        == """\
N = 64 runs
rank group submission                    score 95 % interval strict  test forget time status    flags
           (retraining)                 1.0000                                        baseline
   1     1 a_name_that_goes_on_for_ever 0.9877 0.9000-1.0500 0.1234 0.950  0.900  13% scored    slow, over_forgetting
           broken                                                                     crashed

N = 16 runs, which cannot be compared with those above
rank group submission  score 95 % interval strict  test forget time status  flags
   1     1 a          0.9877 0.9000-1.0500 0.1234 0.950  0.900  13% scored

"""  # noqa: E501
    )


def test_a_narrow_one_has_flags_below_and_says_what_it_leaves_out(board):
    text = table(board, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert (
        tables(text)
        == """\
N = 64 runs
rank submission                    score 95 % interval forget time status
     (retraining)                 1.0000                           baseline
   1 a_name_that_goes_on_for_ever 0.9877 0.9000-1.0500  0.900  13% scored
     slow, over_forgetting
     broken                                                        crashed
left out, as the terminal is narrow: strict, group, test

N = 16 runs, which cannot be compared with those above
rank group submission  score 95 % interval strict  test forget time status
   1     1 a          0.9877 0.9000-1.0500 0.1234 0.950  0.900  13% scored

"""
    )


def test_one_that_is_too_narrow_for_anything_keeps_names_and_scores(board):
    text = table(board, width=10)
    assert LONG in text
    assert "0.9877" in text


def test_an_empty_leaderboard_says_so(tmp_path):
    assert "empty" in table(leaderboard.update(tmp_path, "k"))
