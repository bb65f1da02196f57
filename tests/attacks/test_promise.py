"""A fault of a submission never stops the others: `noop` is evaluated after every hostile file."""

import hashlib
import hmac
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness import competition, leaderboard, store
from harness.names import row_name
from harness.runs import seed
from harness.submission import VERDICTS
from tests.attacks import test_attacks
from tests.attacks.files import MINE, NAMES, UNREADABLE, write_names, write_unreadable

RUNS = competition.MIN_RUNS
LIMITS = {
    "seconds = 20": "seconds = 3",
    "memory_mb = 2048": "memory_mb = 800",
    "scratch_mb = 256": "scratch_mb = 16",
    "processes = 128": "processes = 24",
    "output_kb = 256": "output_kb = 64\nsubmission_kb = 1024",
}
LAST = "zzz_noop"
SAYS_SEED = """
import torch

def unlearning(net, retain, forget, val):
    print("seed", torch.initial_seed())
"""
# What an evaluation makes of those that come to an end by themselves.
STATUS = {
    "huge_weights": "invalid_weights",
    "huge_head": "invalid_weights",
    "negative_variance": "invalid_weights",
    "denormal_weights": "scored",
    "smallest_counter": "scored",
    "forged_log": "scored",
    "forged_markup": "crashed",
}
targets = test_attacks.targets


@dataclass(frozen=True)
class Evaluated:
    """What was printed, the rows, and where the results are."""

    printed: str
    rows: dict[str, dict[str, Any]]
    results: Path

    def log(self, name: str) -> str:
        return (self.results / "submissions" / name / "log.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def evaluated(
    trained: Path, tmp_path_factory: pytest.TempPathFactory, targets: dict[str, Any]
) -> Iterator[Evaluated]:
    """One evaluation of them all, as a host does it, `noop` the last."""
    folder = tmp_path_factory.mktemp("promise")
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    toml = folder / "small.toml"
    text = toml.read_text()
    for default, tight in LIMITS.items():
        assert default in text
        text = text.replace(default, tight)
    toml.write_text(text)
    facts = "; ".join(f"{k} = {v!r}" for k, v in (targets | {"inputs": "/nowhere"}).items())
    prelude = test_attacks.TARGET.format(facts=facts, mark=test_attacks.MARK)
    submissions = folder / "submissions"
    submissions.mkdir()
    for name, source in test_attacks.HOSTILE.items():
        (submissions / f"{name}.py").write_text(prelude + source)
    write_unreadable(submissions)
    write_names(submissions)
    (submissions / "says_seed.py").write_text(SAYS_SEED)
    (submissions / f"{LAST}.py").write_text(MINE)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "evaluate", "--competition=small.toml", f"--runs={RUNS}"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr  # of a report that could not be drawn
    results = folder / "results/small"
    board = leaderboard.read(results / "leaderboard.csv")
    rows = {row["submission"].removeprefix("'"): row for row in board.to_dict("records")}
    yield Evaluated(done.stdout, rows, results)


def test_after_every_hostile_file_noop_gets_its_row(evaluated: Evaluated) -> None:
    files = [f"{name}.py" for name in test_attacks.HOSTILE] + [*UNREADABLE]
    expected = {row_name(Path(name)) for name in files}
    expected |= {row_name(Path(name)) for name, sound in NAMES.items() if sound is not None}
    lines = {"(retraining)", "head_noise", "(floor)"}
    assert set(evaluated.rows) == expected | lines | {"twice", "says_seed", LAST}
    statuses = {row["status"] for row in evaluated.rows.values()}
    assert statuses <= {"scored", "baseline", *VERDICTS}
    assert evaluated.rows[LAST]["status"] == "scored"
    assert evaluated.printed.splitlines()


@pytest.mark.parametrize("name", STATUS)
def test_what_comes_to_an_end_by_itself_is_judged_by_its_outputs(
    evaluated: Evaluated, name: str
) -> None:
    assert evaluated.rows[name]["status"] == STATUS[name]
    if STATUS[name] == "invalid_weights":
        assert "run 0: its weights are finite, but its outputs are not" in evaluated.log(name)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_attacks_its_reader_has_a_verdict_and_a_log(
    evaluated: Evaluated, name: str
) -> None:
    complaint = UNREADABLE[name][1]
    status = evaluated.rows[Path(name).stem]["status"]
    assert (status == "invalid_submission") == bool(complaint)
    assert complaint in evaluated.log(Path(name).stem)


def test_a_name_meets_no_file_of_the_harness(evaluated: Evaluated) -> None:
    for name, sound in NAMES.items():
        if sound is not None:
            status = evaluated.rows[row_name(Path(name))]["status"]
            assert status == ("scored" if sound else "invalid_submission"), name
    own = {path.name for path in evaluated.results.iterdir()}
    assert own <= {
        "leaderboard.csv",
        "report.html",
        "report",
        "secret",
        "submissions",
        "baselines",
    }
    assert (evaluated.results / "submissions/leaderboard.csv/log.txt").is_file()
    assert (evaluated.results / "leaderboard.csv").is_file()
    raw = pd.read_csv(evaluated.results / "leaderboard.csv", dtype=str, keep_default_na=False)
    assert not raw["submission"].str.match("[=+@-]").any()


def test_no_line_of_a_log_or_of_the_terminal_is_a_submissions_own(evaluated: Evaluated) -> None:
    ours = re.compile(r"isolation |run \d+: \d|flag \w+: |the log is full|  \| ")
    for path in (evaluated.results / "submissions").glob("*/log.txt"):
        for line in path.read_text(encoding="utf-8").split("\n"):
            assert not line or line in VERDICTS or ours.match(line), (path, line)
    fake = evaluated.log("forged_log")
    assert "\n  | run 3: 0.01 s, 12 MiB\n" in fake
    assert r"soft\xadhyphen" in fake
    assert r"\u0338" in fake and "\\U000e0041" in fake and r"\u3164" in fake
    assert "\nscored: 1.0" not in evaluated.printed
    for text in (evaluated.printed, *(p.read_text() for p in evaluated.results.rglob("log.txt"))):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)


def test_the_page_has_one_script(evaluated: Evaluated) -> None:
    page = (evaluated.results / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1


def test_a_run_cannot_reckon_its_own_number(evaluated: Evaluated) -> None:
    """The seeds that runs print follow from the secret, and from nothing else that there is."""
    seeds = [int(n) for n in re.findall(r"  \| seed (\d+)", evaluated.log("says_seed"))]
    (cache,) = (evaluated.results.parents[1] / "reference/cache").glob("small-*")
    fingerprint = cache.name.removeprefix("small-")
    key = store.key(fingerprint, hashlib.sha256(SAYS_SEED.encode()).hexdigest()).encode()
    path = evaluated.results / "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    known = hmac.digest(path.read_bytes(), key, "sha256")
    assert seeds == [seed(known, run) for run in range(RUNS)]
    for guess in (key, b"", hashlib.sha256(key).digest(), hmac.digest(b"", key, "sha256")):
        assert not set(seeds) & {seed(guess, run) for run in range(RUNS)}
