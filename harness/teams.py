"""Teams: their files as dated attempts in a ledger, and the board of their best or last ones.

A team may give its files any date, so a date is believed only between two looks at the inbox: a
file that is new was not there at the last look, and it is there now.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from harness import leaderboard, names, store
from harness.competition import Competition, CompetitionError
from harness.rules import Rules
from harness.submission import LARGEST
from harness.text import cell, clean

LEDGER, ATTEMPTS, BOARD = "ledger.json", "attempts", "teams.csv"
COLUMNS = (
    "rank",
    "rank_group",
    "team",
    "score",
    "score_low",
    "score_high",
    "attempt",
    "file",
    "handed_in",
    "attempts",
    "status",
)


@dataclass(frozen=True)
class Attempt:
    """One content of a file that a team handed in.

    Attributes
    ----------
    team : str
    number : int
        1 for the team's first.
    file : str
        Its name in the inbox.
    sha256 : str
        Of its bytes.
    handed_in : str
        When, as far as it is believed, in ISO 8601.
    is_removed : bool
        Whether the host took it off the board.
    """

    team: str
    number: int
    file: str
    sha256: str
    handed_in: str
    is_removed: bool = False

    @property
    def name(self) -> str:
        """Of its row."""
        return f"{self.team}-{self.number}"

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.handed_in)

    def path(self, results: Path) -> Path:
        """Where its content is kept."""
        return results / ATTEMPTS / (self.name + Path(self.file).suffix)


@dataclass(frozen=True)
class Ledger:
    """All attempts at a competition in the order of their times, and when the inbox was last seen.

    Attributes
    ----------
    looked : str
        In ISO 8601; empty if it never was.
    attempts : sequence of Attempt
    """

    looked: str = ""
    attempts: Sequence[Attempt] = ()

    def allowed(self, rules: Rules) -> list[Attempt]:
        """The attempts that are to be evaluated."""
        return [attempt for attempt, why in self.judged(rules) if not why]

    def judged(self, rules: Rules) -> Iterator[tuple[Attempt, str]]:
        """Each attempt, and why it is not to be evaluated if it is not."""
        tried: Counter[tuple] = Counter()
        for attempt in self.attempts:
            day = attempt.team, attempt.time.astimezone(rules.zone).date()
            if rules.closing is not None and attempt.time >= rules.closing:
                yield attempt, "late"
            elif tried[day] == rules.attempts_per_day:
                yield attempt, f"above {rules.attempts_per_day} a day"
            else:
                tried[day] += 1
                yield attempt, "removed" if attempt.is_removed else ""


def read(results: Path) -> Ledger:
    """The ledger of a competition; an empty one if nobody looked at its inbox yet."""
    try:
        content = json.loads((results / LEDGER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Ledger()
    return Ledger(content["looked"], [Attempt(**attempt) for attempt in content["attempts"]])


def forget(results: Path, name: str) -> bool:
    """Note that an attempt of this name is removed; whether there is one."""
    with store.lock(results):
        ledger = read(results)
        attempts = [replace(a, is_removed=a.is_removed or a.name == name) for a in ledger.attempts]
        if is_one := any(attempt.name == name for attempt in attempts):
            _write(results, Ledger(ledger.looked, attempts))
    return is_one


def _write(results: Path, ledger: Ledger) -> None:
    store.write(results / LEDGER, json.dumps(asdict(ledger), indent=1))


def home(competition: Competition) -> Path:
    """The results folder that has the ledger; a private twin has that of the public competition."""
    return leaderboard.results_folder(competition.teams.private_of or competition.name)


def collect(competition: Competition, inbox: Path, now: datetime | None = None) -> Ledger:
    """Enter what is new in `inbox/<team>/` into the ledger, and keep a copy of it.

    The same content is entered once for each team, whatever its file is called.

    Parameters
    ----------
    competition : Competition
    inbox : Path
        A folder of one folder per team.
    now : datetime, optional
        With its time zone.

    Raises
    ------
    CompetitionError
        If there is no inbox, if the competition has not opened, or if it is a private twin and
        the competition has not closed.
    """
    now, rules, results = now or datetime.now(UTC), competition.teams, home(competition)
    if rules.opening is not None and now < rules.opening:
        raise CompetitionError(f"{competition.name} opens at {rules.opening}")
    if rules.private_of is not None and rules.closing is not None and now < rules.closing:
        raise CompetitionError(
            f"{competition.name} is private until {rules.private_of} closes, at {rules.closing}"
        )
    if not inbox.is_dir():
        raise CompetitionError(f"there is no folder {inbox}, with a folder in it for each team")
    with store.lock(results):
        ledger = read(results)
        earliest = datetime.fromisoformat(ledger.looked) if ledger.looked else rules.opening
        known = {(attempt.team, attempt.sha256) for attempt in ledger.attempts}
        count = Counter(attempt.team for attempt in ledger.attempts)
        attempts = list(ledger.attempts)
        for team, file, content, changed in _handed_in(inbox):
            digest = hashlib.sha256(content).hexdigest()
            if (team, digest) in known:
                continue
            known.add((team, digest))
            count[team] += 1
            when = min(max(changed, earliest or changed), now)
            attempt = Attempt(team, count[team], file, digest, when.isoformat(timespec="seconds"))
            store.write(attempt.path(results), content)
            attempts.append(attempt)
        attempts.sort(key=lambda attempt: (attempt.time, attempt.team, attempt.number))
        ledger = Ledger(now.isoformat(timespec="seconds"), attempts)
        _write(results, ledger)
    return ledger


def _handed_in(inbox: Path) -> list[tuple[str, str, bytes, datetime]]:
    """Team, file, content and time of change of everything there, by time."""
    found = []
    for team, folder in names.teams(inbox).items():
        for path in names.find(folder):
            try:
                content, changed = _content(path)
            except OSError as error:  # one team's file does not stop the others
                print(clean(f"skipped {path}: {error.strerror}"), file=sys.stderr)
            else:
                found.append((team, clean(path.name), content, changed))
    return sorted(found, key=lambda each: each[3])


def _content(path: Path) -> tuple[bytes, datetime]:
    """The content of a regular file, as far as a submission may be long, and its time."""
    # Since it was looked at, a link or a pipe may have taken its place.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        seconds = min(max(os.fstat(descriptor).st_mtime, 0), 1 << 32)  # a date that Python knows
        changed = datetime.fromtimestamp(seconds, UTC)
        return file.read(LARGEST[path.suffix] + 1), changed


def board(ledger: Ledger, rules: Rules, frame: pd.DataFrame) -> pd.DataFrame:
    """The teams, each by the attempt that counts; those without a score come last.

    Parameters
    ----------
    ledger : Ledger
    rules : Rules
    frame : DataFrame
        The leaderboard, of one number of runs.
    """
    allowed = ledger.allowed(rules)
    attempts = pd.DataFrame(
        {
            "submission": [attempt.name for attempt in allowed],
            "team": [attempt.team for attempt in allowed],
            "number": [attempt.number for attempt in allowed],
            "file": [attempt.file for attempt in allowed],
            "handed_in": [attempt.handed_in for attempt in allowed],
        }
    )
    attempts["attempts"] = attempts.groupby("team")["team"].transform("size")
    rows = frame.merge(attempts, on="submission")  # in the order of the leaderboard
    latest = rows.sort_values("number", ascending=False)
    scored = latest if rules.counts == "last" else rows
    scored = scored[scored["status"] == "scored"].drop_duplicates("team").sort_index()
    failed = latest[~latest["team"].isin(scored["team"])].drop_duplicates("team")
    found = pd.concat([scored, failed], ignore_index=True)
    ranked = found["rank"].notna()
    found["rank"] = ranked.cumsum().astype("Int64").where(ranked)
    found["rank_group"] = found["rank_group"].rank(method="dense").astype("Int64")
    return found.rename(columns={"submission": "attempt"})[list(COLUMNS)]


def to_evaluate(ledger: Ledger, competition: Competition) -> list[Path]:
    """The kept copies of the attempts that the rules allow."""
    allowed = ledger.allowed(competition.teams)
    return [attempt.path(home(competition)) for attempt in allowed]


def refused(ledger: Ledger, competition: Competition) -> Iterator[str]:
    """A line for each attempt that the rules do not allow."""
    for attempt, why in ledger.judged(competition.teams):
        if why:
            yield f"{attempt.team}: {attempt.file} of {attempt.handed_in} is not evaluated: {why}"


def publish(ledger: Ledger, competition: Competition) -> str:
    """Write the board of the teams beside the leaderboard, and return it as text."""
    results = leaderboard.results_folder(competition.name)
    frame = leaderboard.read(results / "leaderboard.csv")
    found = board(ledger, competition.teams, frame[frame["runs"] == competition.evaluation.runs])
    path = results / BOARD
    store.write(path, found.map(cell).to_csv(index=False, float_format="%.6g"))
    shown = found.astype(object).where(found.notna(), "")
    return f"{shown.to_string(index=False, float_format='{:.4f}'.format)}\n\n{path}"
