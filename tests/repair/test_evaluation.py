"""From files in folders to rows, a curve and a page: what is at fault gets its verdict."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.__main__ import main
from harness.repair import leaderboard, report
from tests.repair.conftest import ROOT

FILES = {
    "identify/good.py": "import torch\ndef identify(net, train, failures, val):\n"
    "    return torch.rand(len(train.dataset))\n",
    "identify/short.py": "import torch\ndef identify(net, train, failures, val):\n"
    "    return torch.rand(3)\n",
    "identify/typo.py": "def identfy(net, train, failures, val):\n    pass\n",
    "repair/idle.py": "def repair(net, train, failures, val):\n    print('idle')\n",
    "repair/broken.py": "def repair(net, train, failures, val):\n    1 / 0\n",
}


def read(results):
    """The rows as they stand in the file."""
    return pd.read_csv(results / "leaderboard.csv").fillna({"treatment": ""})


@pytest.fixture(scope="module")
def evaluated(reference, workspace):
    """The results of `harness repair` in the workspace, which stays the current folder."""
    here = Path.cwd()
    os.chdir(workspace)
    for name, text in FILES.items():
        path = workspace / "submissions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(ROOT / "submissions/retrain.py", workspace / "submissions")
    assert main(["repair", "--competition", "small_repair.toml"]) == 0
    yield workspace / "results/small_repair"
    os.chdir(here)


def test_the_board_is_printed_and_not_made_again_as_the_main_track_s(evaluated, capsys):
    before = (evaluated / "leaderboard.csv").read_bytes()
    assert main(["leaderboard", "--competition", "small_repair.toml"]) == 0
    printed = capsys.readouterr().out
    assert "true_flips" in printed
    assert "P@K" in printed
    assert (evaluated / "leaderboard.csv").read_bytes() == before


def test_rows_curve_and_page(evaluated):
    frame = read(evaluated)
    assert list(frame.columns) == list(leaderboard.COLUMNS)
    rows = {(row.identifier, row.treatment): row for row in frame.itertuples()}
    oracle, good = rows["true_flips", "retrain"], rows["good", "retrain"]
    assert (oracle.precision_at_k, oracle.roc_area, oracle.forgotten) == (1, 1, 30)
    assert oracle.treat_fraction == pytest.approx(1)
    assert good.precision_at_k < 0.6
    assert oracle.test_after_low < oracle.test_after < oracle.test_after_high
    assert oracle.held_out_before == 0 < oracle.held_out_after
    idle = rows["none", "idle"]
    assert (idle.held_out_after, idle.test_after) == (0, idle.test_before)
    assert np.isnan(idle.precision_at_k)

    statuses = {key: row.status for key, row in rows.items() if row.status != "scored"}
    assert statuses == {
        ("short", ""): "invalid_scores",
        ("typo", ""): "invalid_submission",
        ("none", "broken"): "crashed",
    }
    assert "shape [3], not [150]" in rows["short", ""].message
    assert "ZeroDivisionError" in rows["none", "broken"].message
    assert "the file defines no function `identify`" in rows["typo", ""].message

    page = (evaluated / "report.html").read_text()
    assert page.count("<svg") == len(report.PLOTS)
    assert page.count("<tr>") == 1 + len(frame)
    for name in ("true_flips", "good", "invalid_scores"):
        assert name in page


def test_an_interrupted_repair_goes_on_and_ends_the_same(evaluated):
    before = read(evaluated)
    stored = sorted((evaluated / "submissions").rglob("*.safetensors"))
    runs = next((evaluated / "submissions/good").glob("runs-*"))
    gone = [runs / "run-0000.safetensors", runs / "outputs-0000-0002.safetensors"]
    for path in gone:
        path.unlink()
    times = {path: path.stat().st_mtime_ns for path in stored if path not in gone}
    assert main(["repair", "--competition", "small_repair.toml"]) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert all(path.exists() for path in gone)
    timeless = [column for column in leaderboard.COLUMNS if "_fraction" not in column]
    assert read(evaluated)[timeless].equals(before[timeless])


def test_the_ceilings_name_is_taken(evaluated, capsys):
    taken = evaluated.parents[1] / "submissions/identify/true_flips.py"
    taken.write_text(FILES["identify/good.py"])
    assert main(["repair", "--competition", "small_repair.toml"]) == 2
    taken.unlink()
    assert "'true_flips' is a row that every board has" in capsys.readouterr().err


def test_the_log_of_a_pair_says_what_it_printed_and_why_it_failed(evaluated):
    def log(*folders):
        return evaluated.joinpath("submissions", *folders, "log.txt").read_text()

    assert log("none", "treatments", "idle").count("  | idle\n") == 2
    assert "crashed\n  | run 0: Traceback" in log("none", "treatments", "broken")
    assert "invalid_scores" in log("short")


def test_a_missing_treatment_is_the_hosts_fault(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["repair", "--competition", "digits_repair"]) == 2
    assert "evaluation.treatments: submissions/retrain.py does not exist" in capsys.readouterr().err
