"""From files to the leaderboard, as users do it: the command line in a folder of its own."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness import evaluation
from harness.__main__ import main
from harness.board import BASELINES
from harness.store import lock
from tests.small import small_toml

ROOT = Path(__file__).parents[1]
NOISE = """
import torch

def unlearning(net, retain, forget, val):
    with torch.no_grad():
        net.fc.bias.add_(0.3 * torch.randn(10))
"""
SLOW = NOISE + "    import time; time.sleep(0.1)\n"
CRASH = "def unlearning(net, retain, forget, val):\n    return net.no_such_layer\n"
# Python imports a file of this name at its start, in the evaluator and in what trains for it.
CLOCK = """
import itertools, pathlib, time
real, jumps = time.time, itertools.cycle([0, 3600, -3600])
def jumping():
    pathlib.Path("jumped").touch()
    return real() + next(jumps)
time.time = jumping
"""
TIMES = ["seconds_per_run", "retrain_fraction", "evaluated_at", "flags"]


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory) -> Path:
    """A workspace with a row, to copy from."""
    folder = tmp_path_factory.mktemp("scored")
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    (folder / "submissions").mkdir()
    with contextlib.chdir(folder):
        submit("slow", SLOW)
        assert evaluate().returncode == 0
    return folder


@pytest.fixture
def workspace(scored, tmp_path, monkeypatch) -> Path:
    """Its reference alone."""
    shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "submissions/slow.py").unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def with_a_row(scored, tmp_path, monkeypatch) -> Path:
    shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(*words: str) -> list[str]:
    return [sys.executable, "-m", "harness", *words]


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(*words),
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"},
    )


def evaluate(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in this process, which has imported everything already."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["evaluate", "--competition", "small.toml", *words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def submit(name: str, source: str) -> Path:
    path = Path("submissions") / f"{name}.py"
    path.write_text(source)
    return path


def board() -> pd.DataFrame:
    """The rows of submissions, without the lines that stand on every board."""
    rows = pd.read_csv("results/small/leaderboard.csv").set_index("submission")
    return rows[rows["status"] != "baseline"]


def test_a_folder_of_submissions_becomes_a_leaderboard(workspace):
    submit("noise", NOISE)
    submit("broken", CRASH)
    submit("unreadable", "def unlearning(net:")
    done = evaluate()
    assert done.returncode == 0, done.stderr
    rows = board()
    assert list(rows["status"]) == ["scored", "crashed", "invalid_submission"]
    assert rows.loc["noise", "runs"] == 32
    assert 0 <= rows.loc["noise", "score_low"] <= rows.loc["noise", "score"] <= 1.2
    assert rows.loc["noise", "rank"] == 1
    assert pd.isna(rows.loc["broken", "score"])
    assert "AttributeError" in done.stdout
    assert 'broken.py", line 2, in unlearning' in done.stdout
    assert "leaderboard.csv" in done.stdout
    folder = Path("results/small")
    assert json.loads((folder / "submissions/noise/metrics-32.json").read_text())
    assert len(pd.read_csv(folder / "submissions/noise/examples-32.csv")) == 6
    assert "AttributeError" in (folder / "submissions/broken/log.txt").read_text()
    printed = command(workspace, "leaderboard", "--competition", "small.toml")
    assert "noise" in printed.stdout


def test_what_is_unchanged_is_not_run_again(with_a_row):
    submit("broken", CRASH)
    evaluate()
    before = Path("results/small/leaderboard.csv").read_bytes()
    made = [*Path("results").rglob("*.safetensors"), Path("results/small/report.html")]
    times = {path: path.stat().st_mtime_ns for path in made}
    assert len(times) == 5  # two of each, and the page
    assert evaluate().returncode == 0
    assert Path("results/small/leaderboard.csv").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in made} == times


def test_keep_weights_in_the_toml_keeps_them_and_the_score(with_a_row):
    before = board().drop(columns=TIMES)
    toml = Path("small.toml")
    toml.write_text(toml.read_text().replace("[evaluation]", "[evaluation]\nkeep_weights = true"))
    assert evaluate().returncode == 0
    kept = list(Path("results/small/submissions/slow").glob("runs-*/run-*.safetensors"))
    assert len(kept) == 32
    pd.testing.assert_frame_equal(board().drop(columns=TIMES), before)


def test_a_changed_file_gets_a_new_row_and_leaves_no_old_runs(with_a_row):
    first = board().loc["slow"]
    assert first["status"] == "scored"
    submit("slow", CRASH)
    evaluate()
    assert board().loc["slow", "status"] == "crashed"
    submit("slow", NOISE.replace("0.3", "0.4"))
    evaluate()
    assert board().loc["slow", "score"] != first["score"]
    assert len(list(Path("results/small/submissions/slow").glob("runs-*"))) == 1


def test_a_killed_evaluation_ends_with_the_leaderboard_of_an_undisturbed_one(with_a_row):
    expected = board().drop(columns=TIMES)
    shutil.rmtree("results/small/submissions")
    for runs in (1, 8):
        process = subprocess.Popen(
            arguments("evaluate", "--competition", "small.toml"),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while stored() < runs:
            time.sleep(0.05)
            assert process.poll() is None
        process.kill()
        process.wait()
    assert 0 < stored() < 32
    assert evaluate().returncode == 0
    pd.testing.assert_frame_equal(board().drop(columns=TIMES), expected)


def stored() -> int:
    """How many runs there are, 16 of them in a file of outputs once those are computed."""
    folder = Path("results")
    outputs = list(folder.rglob("outputs-*.safetensors"))
    return len(list(folder.rglob("run-*.safetensors"))) + 16 * len(outputs)


def test_a_clock_that_jumps_an_hour_at_every_look_changes_nothing(with_a_row):
    expected = board().drop(columns=TIMES)
    shutil.rmtree("results/small/submissions")
    for pool in Path("reference/cache").glob("*/pools/second-*"):
        pool.unlink()
    Path("sitecustomize.py").write_text(CLOCK)
    done = command(with_a_row, "evaluate", "--competition", "small.toml")
    assert done.returncode == 0, done.stderr
    assert Path("jumped").exists()
    pd.testing.assert_frame_equal(board().drop(columns=TIMES), expected)


def test_ctrl_c_leaves_no_process_and_resumes(workspace):
    submit("slow", SLOW.replace("0.1)", "1.7)"))
    process = subprocess.Popen(
        arguments("evaluate", "--competition", "small.toml"),
        env=os.environ | {"PYTHONPATH": str(ROOT), "MARK": str(workspace)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(Path("results").rglob("run-*.safetensors")):
        time.sleep(0.1)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "continues from there" in errors
    assert "Traceback" not in errors
    assert processes_mentioning(str(workspace)) == []
    assert "slow" not in (board().index if Path("results/small/leaderboard.csv").exists() else [])


def processes_mentioning(text: str) -> list[str]:
    time.sleep(0.5)
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def test_a_second_evaluation_at_once_is_told_so(with_a_row):
    with lock(Path("results/small")):
        done = evaluate()
    assert done.returncode == 2
    assert "another evaluation" in done.stderr
    assert evaluate().returncode == 0


def test_a_named_file_that_fails_is_an_exit_code_and_is_tried_again(workspace):
    path = Path("elsewhere.py")
    path.write_text(CRASH)
    first = evaluate(str(path))
    assert first.returncode == 1
    assert "no_such_layer" in first.stdout
    assert evaluate(str(path)).returncode == 1
    assert board().loc["elsewhere", "status"] == "crashed"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "there is no .py or .ipynb file in submissions/"),
        (["none.py"], "none.py does not exist"),
        (["submissions"], "submissions is not a file"),
        (["one.py", "two/one.py"], "would share the row 'one'"),
        (["--runs", "1", "one.py"], "runs = 1"),
        (["--runs", "-5", "one.py"], "runs = -5"),
        (["--competition", "nothing", "one.py"], "no competition 'nothing'"),
    ],
)
def test_a_callers_mistake_is_one_line_and_leaves_no_row(workspace, capsys, words, complaint):
    Path("one.py").write_text(NOISE)
    Path("two").mkdir()
    Path("two/one.py").write_text(NOISE)
    assert main(["evaluate", "--competition", "small.toml", *words]) == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints
    assert len(complaints.splitlines()) == 1
    assert not list(Path("results").rglob("row-*"))


def test_a_typo_is_answered_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_toml(tmp_path)
    Path("mine.py").write_text(NOISE)
    with pytest.raises(FileNotFoundError, match="did you mean mine.py"):
        evaluation.evaluate_all([Path("mine.py"), Path("mien.py")], "small.toml")
    assert not Path("reference").exists()
    code = "import sys, harness.__main__ as h; print(h.main(sys.argv[1:]), 'torch' in sys.modules)"
    words = ["evaluate", "--competition", "small.toml", "mien.py"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "2 False\n"


def test_a_file_outside_may_not_take_the_row_of_one_inside(with_a_row):
    Path("slow.py").write_text(CRASH)
    done = evaluate("slow.py")
    assert done.returncode == 2
    assert "would share the row 'slow'" in done.stderr
    assert evaluate("submissions/slow.py").returncode == 0


def test_fewer_runs_are_ranked_apart(with_a_row):
    assert evaluate("--runs", "16").returncode == 0
    assert list(board()["runs"]) == [32, 16]
    assert list(board()["rank"]) == [1, 1]
    assert {path.name for path in Path("results").rglob("*.safetensors")} == {
        "outputs-0000-0016.safetensors",
        "outputs-0016-0032.safetensors",
    }


def test_rows_of_an_older_version_go_however_many_runs_they_had(with_a_row):
    before = board().loc["slow"].drop(TIMES)
    source = Path("submissions/slow.py").read_text()
    submit("slow", CRASH)
    assert evaluate("--runs", "16").returncode == 0
    assert list(board()["runs"]) == [16]
    assert board().loc["slow", "status"] == "crashed"
    kept = {path.suffix for path in Path("results/small/submissions/slow").glob("*-32.*")}
    assert kept == set()
    # The outputs of the older version are there until another is scored.
    outputs = list(Path("results").rglob("submissions/slow/*/outputs-*"))
    times = [path.stat().st_mtime_ns for path in outputs]
    submit("slow", source)
    assert evaluate().returncode == 0
    pd.testing.assert_series_equal(board().loc["slow"].drop(TIMES), before)
    assert [path.stat().st_mtime_ns for path in outputs] == times


def stored_row(name: str = "slow") -> Path:
    return Path(f"results/small/submissions/{name}/row-32.json")


def test_rows_of_other_code_are_scored_again_and_nothing_is_run(with_a_row):
    expected = board().drop(columns=TIMES)
    # As if KLOM and a flag were new, and the score had been another one.
    row = json.loads(stored_row().read_text())
    del row["klom"], row["explanations"]
    old = row | {"scorer": "of another day", "score": 0.5, "flags": ""}
    stored_row().write_text(json.dumps(old))
    Path("submissions/slow.py").unlink()
    made = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*.safetensors")}
    submit("broken", CRASH)
    assert evaluate().returncode == 0
    pd.testing.assert_frame_equal(board().drop(columns=TIMES).drop("broken"), expected)
    assert json.loads(stored_row().read_text())["scorer"] not in (None, "of another day")
    assert {
        path: path.stat().st_mtime_ns for path in Path("results").rglob("*.safetensors")
    } == made


def test_rescore_computes_rows_again_and_refuses_without_outputs(with_a_row, monkeypatch):
    expected = board().loc["slow"].drop([*TIMES, "rank", "rank_group", "status"])
    monkeypatch.setattr("harness.board.BASELINES", [Path("submissions/slow.py").resolve()])
    done = evaluate("--rescore", "submissions/slow.py")
    assert (done.returncode, done.stdout.count("slow: ")) == (0, 1)
    rows = pd.read_csv("results/small/leaderboard.csv").set_index("submission")
    row = rows.loc["slow"]
    pd.testing.assert_series_equal(row[expected.index], expected, check_dtype=False)
    # A line has no rank, and may take as long as it does.
    assert (row["status"], pd.isna(row["rank"]), "slow" in str(row["flags"])) == (
        "baseline",
        True,
        False,
    )
    for path in Path("results").rglob("outputs-*"):
        path.unlink()
    done = evaluate("--rescore")
    assert done.returncode == 2
    assert "no such row with the outputs of all its runs" in done.stderr


def test_the_shipped_lines_are_there():
    names = ["head_noise", "retrain"]
    assert [path.stem for path in BASELINES if path.is_file()] == names


def test_a_full_disk_is_the_hosts_and_the_next_evaluation_goes_on(workspace, full_disk):
    submit("noise", NOISE)
    Path("results").symlink_to(full_disk)
    done = evaluate()
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(full_disk.rglob("submissions/noise/row-*"))
    kept = len(list(full_disk.rglob("run-*.safetensors")))
    assert kept > 0
    subprocess.run(["mount", "-o", "remount,size=10m", str(full_disk)], check=True)
    again = evaluate()
    assert again.returncode == 0, again.stderr
    assert board().loc["noise", "status"] == "scored"


def test_from_python_one_call_gives_the_row(workspace):
    path = submit("noise", NOISE)
    row = harness.evaluate(path, competition="small.toml", runs=16)
    assert row["status"] == "scored"
    assert row["score"] == pytest.approx(board().loc["noise", "score"], rel=1e-5)
