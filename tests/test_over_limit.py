"""What becomes of a slow row is the competition's choice, and follows when that changes."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import harness

SOURCE = """
import torch

def unlearning(net, retain, forget, val):
    with torch.no_grad():
        net.fc.bias.add_(0.3 * torch.randn(10))
"""


@pytest.fixture
def workspace(trained, tmp_path, monkeypatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SOURCE)
    return tmp_path


def test_a_slow_row_is_marked_refused_or_set_apart(workspace):
    text = Path("small.toml").read_text()

    def evaluate(over_limit: str) -> tuple[dict, pd.Series]:
        limits = f'[evaluation.limits]\nover_limit = "{over_limit}"'
        Path("small.toml").write_text(text.replace("[evaluation.limits]", limits))
        row = harness.evaluate("mine.py", "small.toml", runs=10, workers=1)
        board = pd.read_csv("results/small/leaderboard.csv").set_index("submission")
        return row, board.loc["mine"]

    evaluate("mark")
    # From now on its runs took a thousand times as long as a retraining.
    (times,) = Path("results/small/submissions/mine").glob("runs-*/retrainings.json")
    seconds = min(json.loads(times.read_text())["10"]) / 1e6
    times.write_text(json.dumps({"10": [seconds] * 3}))

    row, shown = evaluate("refuse")
    assert (row["status"], "score" in row) == ("timeout", False)
    assert "of the time of retraining; this competition scores nothing" in row["message"]
    assert pd.isna(shown["score"])

    row, shown = evaluate("apart")
    assert (row["status"], pd.isna(shown["rank"]), shown["rank_group"]) == ("scored", True, 1)
    assert "slow" in shown["flags"].split()

    row, shown = evaluate("mark")
    assert (row["status"], shown["rank"]) == ("scored", 1)
    assert "slow" in shown["flags"].split()
