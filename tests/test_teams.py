"""What teams hand in becomes dated attempts; no date, name or link gains a team anything."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from harness import competition, teams
from harness.__main__ import main
from harness.competition import CompetitionError
from harness.rules import Rules
from harness.teams import Ledger

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
NOISE = """
import torch

def unlearning(net, retain, forget, val):
    with torch.no_grad():
        net.fc.bias.add_({} * torch.randn(10))
"""


@pytest.fixture
def course(tmp_path, monkeypatch) -> competition.Competition:
    monkeypatch.chdir(tmp_path)
    Path("inbox").mkdir()
    rules = Rules(
        opens=NOON - timedelta(days=1), closes=NOON + timedelta(days=1), attempts_per_day=2
    )
    return replace(competition.load("digits"), name="course", teams=rules)


def hand_in(team: str, name: str, content: str, when: datetime) -> Path:
    path = Path("inbox", team, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    os.utime(path, (when.timestamp(), when.timestamp()))
    return path


def seen(ledger: Ledger, rules: Rules) -> list[tuple[str, str, str]]:
    return [
        (attempt.name, f"{attempt.time:%d %H:%M}", why) for attempt, why in ledger.judged(rules)
    ]


def test_each_new_content_is_an_attempt_whatever_its_file_is_called(course):
    hand_in("lions", "a.py", "1", NOON - timedelta(hours=2))
    hand_in("bears", "a.py", "1", NOON - timedelta(hours=1))
    first = teams.collect(course, Path("inbox"), NOON)
    expected = [("lions-1", "02 10:00", ""), ("bears-1", "02 11:00", "")]
    assert seen(first, course.teams) == expected
    hand_in("lions", "again.py", "1", NOON + timedelta(hours=1))
    Path("inbox/bears/a.py").unlink()
    later = teams.collect(course, Path("inbox"), NOON + timedelta(hours=2))
    assert seen(later, course.teams) == expected
    # A new version takes the place of the old one in the inbox, not in the ledger.
    hand_in("lions", "a.py", "2", NOON + timedelta(hours=3))
    last = teams.collect(course, Path("inbox"), NOON + timedelta(hours=4))
    assert seen(last, course.teams) == [*expected, ("lions-2", "02 15:00", "")]
    kept = {path.name: path.read_text() for path in Path("results/course/attempts").iterdir()}
    assert kept == {"lions-1.py": "1", "bears-1.py": "1", "lions-2.py": "2"}


@pytest.mark.parametrize("year", [1970, 2025, 2039, 100_000])
def test_a_date_is_believed_only_between_two_looks(course, year):
    teams.collect(course, Path("inbox"), NOON)
    path = hand_in("lions", "a.py", "1", NOON)
    os.utime(path, ((year - 1970) * 31_556_952,) * 2)
    ledger = teams.collect(course, Path("inbox"), NOON + timedelta(hours=1))
    assert seen(ledger, course.teams) == [("lions-1", f"02 {12 + (year > 2026)}:00", "")]


def test_what_was_not_there_when_it_closed_is_late(course):
    hand_in("lions", "a.py", "1", NOON)
    teams.collect(course, Path("inbox"), NOON + timedelta(days=1))
    hand_in("bears", "a.py", "1", NOON)  # handed in now, dated back
    ledger = teams.collect(course, Path("inbox"), NOON + timedelta(days=2))
    assert seen(ledger, course.teams) == [
        ("lions-1", "02 12:00", ""),
        ("bears-1", "03 12:00", "late"),
    ]
    assert [path.name for path in teams.to_evaluate(ledger, course)] == ["lions-1.py"]
    (line,) = teams.refused(ledger, course)
    assert line == "bears: a.py of 2026-11-03T12:00:00+00:00 is not evaluated: late"
    # Whoever is given more time needs no new ledger.
    longer = replace(course.teams, closes=NOON + timedelta(days=2))
    assert [why for _, why in ledger.judged(longer)] == ["", ""]


def test_a_day_has_so_many_attempts_and_begins_at_midnight_of_the_zone(course):
    rules = replace(course.teams, time_zone="Europe/Berlin")
    for i, hour in enumerate((20, 21, 22, 23)):  # midnight is at 23:00 in UTC
        hand_in("lions", f"{i}.py", str(i), NOON.replace(hour=hour))
    hand_in("bears", "0.py", "0", NOON.replace(hour=22))
    ledger = teams.collect(course, Path("inbox"), NOON + timedelta(hours=12))
    assert seen(ledger, rules) == [
        ("lions-1", "02 20:00", ""),
        ("lions-2", "02 21:00", ""),
        ("bears-1", "02 22:00", ""),
        ("lions-3", "02 22:00", "above 2 a day"),
        ("lions-4", "02 23:00", ""),
    ]


def test_before_it_opens_nothing_is_collected_and_after_that_everything(course):
    hand_in("lions", "a.py", "1", NOON - timedelta(days=30))
    with pytest.raises(CompetitionError, match="course opens at 2026-11-01 12:00:00"):
        teams.collect(course, Path("inbox"), NOON - timedelta(days=2))
    ledger = teams.collect(course, Path("inbox"), NOON)
    assert seen(ledger, course.teams) == [("lions-1", "01 12:00", "")]


def test_hostile_names_links_and_pipes_cost_nobody_else_anything(course, tmp_path, capsys):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret")
    hand_in("lions", "a.py", "1", NOON)
    Path("inbox/link").symlink_to(outside)
    Path("inbox/lions/link.py").symlink_to(outside / "secret.py")
    os.mkfifo("inbox/lions/pipe.py")
    for team in (".git", "-rf", "=1+1", "x" * 57, "evil\x1b[31m", "_"):
        hand_in(team, "a.py", "1", NOON)
    hand_in("Zoë", "a.py", "1", NOON)
    hand_in("Zoe\u0308", "b.py", "2", NOON)  # the same name, in other code points
    Path("inbox/loose.py").write_text("3")
    Path(os.fsdecode(b"inbox/\xff")).mkdir()
    Path("inbox/lions/" + "y" * 200 + ".py").write_text("4")
    os.utime("inbox/lions/" + "y" * 200 + ".py", (NOON.timestamp(),) * 2)
    ledger = teams.collect(course, Path("inbox"), NOON)
    assert sorted(a.name for a in ledger.attempts) == ["Zoë-1", "lions-1", "lions-2"]
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("skipped in inbox/: -rf (no name for a team), .git (hidden), =1")
    assert said[0].endswith("and 5 more")
    assert said[1] == (
        "skipped in inbox/lions/: link.py (a link; copy the file itself), pipe.py (not a file)"
    )
    assert b"secret" not in b"".join(p.read_bytes() for p in Path("results").rglob("*.*"))


def frame(*rows: tuple) -> pd.DataFrame:
    names = ["submission", "score", "rank", "rank_group", "status"]
    found = pd.DataFrame(rows, columns=names).assign(score_low=0.0, score_high=1.0)
    return found.astype({"rank": "Int64", "rank_group": "Int64"})


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ("best", [(1, 1, "lions-1", 3), (2, 2, "bears-1", 2), (None, None, "wolves-1", 1)]),
        ("last", [(1, 1, "bears-1", 2), (2, 2, "lions-2", 3), (None, None, "wolves-1", 1)]),
    ],
)
def test_the_best_or_the_last_scored_attempt_counts(course, counts, expected):
    rules = replace(course.teams, counts=counts, attempts_per_day=None)
    ledger = Ledger(
        attempts=[
            teams.Attempt(team, number, "a.py", "", f"2026-11-02T1{number}:00:00+00:00")
            for team, count in (("lions", 3), ("bears", 2), ("wolves", 1))
            for number in range(1, count + 1)
        ]
    )
    board = teams.board(
        ledger,
        rules,
        frame(
            ("lions-1", 0.9, 1, 1, "scored"),
            ("host", 0.8, 2, 2, "scored"),
            ("bears-1", 0.7, 3, 3, "scored"),
            ("lions-2", 0.6, 4, 4, "scored"),
            ("bears-2", None, None, None, "crashed"),
            ("lions-3", None, None, None, "timeout"),
            ("wolves-1", None, None, None, "crashed"),
        ),
    )
    shown = board[["rank", "rank_group", "attempt", "attempts"]].astype(object)
    assert [tuple(row) for row in shown.where(shown.notna(), None).to_numpy()] == expected
    assert list(board["status"]) == ["scored", "scored", "crashed"]


@pytest.fixture
def workspace(trained, tmp_path, monkeypatch) -> Path:
    """A course that closed half an hour ago; its reference is trained."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC).replace(microsecond=0)
    closes = (now - timedelta(minutes=30)).isoformat()
    toml = Path("small.toml")
    rules = f'[teams]\ncloses = {closes}\nattempts_per_day = 1\ntime_zone = "Etc/GMT"\n'
    toml.write_text(f"{toml.read_text()}\n{rules}")
    Path("inbox").mkdir()
    for team, name, noise, minutes in (
        ("lions", "a.py", 0.3, 60),
        ("bears", "b.py", 0.1, 60),
        ("bears", "c.py", 0.2, 0),
    ):
        hand_in(team, name, NOISE.format(noise), now - timedelta(minutes=minutes))
    return tmp_path


def test_a_course_from_its_inbox_to_an_archive_that_is_read_elsewhere(workspace, capsys):
    command = ["teams", "--competition", "small.toml", "--runs", "10", "--workers", "1"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "bears: c.py of " in out
    assert "is not evaluated: late" in out
    board = pd.read_csv("results/small/teams.csv")
    rows = pd.read_csv("results/small/leaderboard.csv").set_index("submission")
    assert set(board["attempt"]) == {"lions-1", "bears-1"}
    assert list(board["score"]) == list(rows.loc[board["attempt"], "score"])
    assert list(board["score"]) == sorted(board["score"], reverse=True)
    # What a host removes stays away, though the team's file is still in the inbox.
    assert main(["remove", "--competition", "small.toml", "lions-1"]) == 0
    assert "lions-1 is off the board of small" in capsys.readouterr().out
    assert not Path("results/small/submissions/lions-1").exists()
    assert main(command) == 0
    assert "lions: a.py of " in capsys.readouterr().out
    assert list(pd.read_csv("results/small/teams.csv")["team"]) == ["bears"]
    assert "lions-1" not in pd.read_csv("results/small/leaderboard.csv")["submission"].tolist()
    assert main(["remove", "--competition", "small.toml", "tigers"]) == 2
    assert "no row 'tigers'" in capsys.readouterr().err

    assert main(["archive", "--competition", "small.toml"]) == 0
    packed = Path(capsys.readouterr().out.strip())
    assert packed == Path("results/small.zip")
    elsewhere = workspace / "elsewhere"
    with zipfile.ZipFile(packed) as file:
        file.extractall(elsewhere)
    about = json.loads((elsewhere / "archive.json").read_text())
    assert about["competition"] == "small"
    files = {p.relative_to(elsewhere).as_posix(): p for p in elsewhere.rglob("*") if p.is_file()}
    digests = {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in files.items()}
    del digests["archive.json"], digests["README.txt"]
    assert about["sha256"] == digests
    assert {
        "small.toml",
        "results/small/leaderboard.csv",
        "results/small/report.html",
        "results/small/ledger.json",
        "results/small/attempts/lions-1.py",
        f"reference/cache/{about['reference']}/pools/original-000.safetensors",
    } <= digests.keys()
    assert any(name.endswith("outputs-0000-0010.safetensors") for name in digests)
    assert not [name for name in digests if "secret" in name or "inputs" in name]
    capsys.readouterr()
    for place in (workspace, elsewhere):
        with contextlib.chdir(place):
            assert main(["leaderboard", "--competition", "small.toml"]) == 0
    here, there = re.split(r"(?<=leaderboard\.csv)\n", capsys.readouterr().out.strip())
    assert here == there
    assert "bears-1" in here

    # The private twin: the same attempts, another reference, a board of its own.
    assert main(["private", "--competition", "small.toml"]) == 0
    twin = capsys.readouterr().out.splitlines()[1].split("--competition ")[1]
    assert main(["teams", "--competition", twin, "--runs", "10", "--workers", "1"]) == 0
    private = pd.read_csv("results/small_private/teams.csv")
    assert list(private["attempt"]) == ["bears-1"]
    references = {
        pd.read_csv(f"results/{name}/leaderboard.csv")["reference"].iloc[0]
        for name in ("small", "small_private")
    }
    assert len(references) == 2
