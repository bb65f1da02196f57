"""Reads one submitted file, and checks what can be checked without executing it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from harness.driver import Note
from harness.names import LONGEST, SUFFIXES, is_name, must_exist, row_name
from harness.text import clean, shorten

LARGEST = {".py": 1 << 20, ".ipynb": 1 << 25}  # bytes; a notebook's cells have outputs too
MESSAGE, OUTPUT = 1 << 12, 1 << 18  # bytes of a verdict's message, and of what was printed
# What a file may define, and what it is called with.
FUNCTIONS = {
    "unlearning": "net, retain, forget, val",
    "identify": "net, train, failures, val",
    "repair": "net, train, failures, val",
}
VERDICTS = (
    "invalid_submission",
    "crashed",
    "timeout",
    "out_of_memory",
    "invalid_weights",
    "invalid_scores",
    "sandbox_violation",
)
_ROOT = Path(__file__).parents[1]
# Isolated and without `site`, so that it imports no stray module; it only needs ours.
_PARSER = f"import sys; sys.path.append({str(_ROOT)!r}); from harness.parsing import main; main()"


class Verdict(Exception):
    """A fault of the submission: its row gets `status`, its author reads `message`.

    All text from a file reaches people through here, so it is cleaned and cut here.

    Attributes
    ----------
    status : str
        One of `VERDICTS`.
    message : str
        What to fix, with the participant's own traceback if there is one; at most 4 KiB.
    output : str
        What the submission printed, as far as it was kept; at most 256 KiB.
    """

    def __init__(self, status: str, message: str, output: str = "") -> None:
        self.status = status
        self.message = _presentable(message, MESSAGE)
        self.output = _presentable(output, OUTPUT)
        super().__init__(f"{status}: {self.message}")

    def __reduce__(self) -> tuple:
        return Verdict, (self.status, self.message, self.output)


@dataclass(frozen=True)
class Submission:
    """A file that can be run.

    Attributes
    ----------
    name : str
        The file's stem, which names its row on the leaderboard.
    path : Path
        Where it was read.
    source : bytes
        The Python in it. This is what runs, even if the file changes later.
    sha256 : str
        The hash of `source`, in hexadecimal.
    imports : tuple of str
        Modules outside the standard library that its import statements name.
    function : str
        Which of `FUNCTIONS` is called.
    signed : bool
        Whether it says `SIGNED = True` at its top level.
    notes : tuple of Note
        What its author should know of its arguments.
    reads_val : bool
        Whether the function may look at its fourth argument.
    """

    name: str
    path: Path
    source: bytes
    sha256: str
    imports: tuple[str, ...]
    function: str = "unlearning"
    signed: bool = False
    notes: tuple[Note, ...] = ()
    reads_val: bool = True


Entry = tuple[str, Submission | Verdict]


def read(path: Path, function: str = "unlearning", largest_kb: int = 256) -> Submission:
    """Read a submission that defines this function.

    Parameters
    ----------
    path : Path
    function : str
        One of `FUNCTIONS`.
    largest_kb : int
        KiB of Python that are taken: of a file, or of what a notebook's code cells come to. Stored
        models that are replayed score well, and take room.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    Verdict
        `invalid_submission`, if the file cannot be one; the message says what to fix.
    """
    must_exist(path)
    name = row_name(path)
    if not is_name(name):
        raise _invalid(
            f"{name!r} cannot name a row. Rename the file: letters, digits, and after the first "
            f"also `.`, `_`, `-` and spaces, at most {LONGEST} characters."
        )
    if path.suffix not in SUFFIXES:
        raise _invalid(f"{path.name}: a submission's name ends in {' or '.join(SUFFIXES)}.")
    try:
        file = path.open("rb")
    except OSError as error:
        raise _invalid(f"{path.name} cannot be opened: {error.strerror}.") from None
    with file:
        said = _parsed(file, path, function)
    source = said["source"].encode()
    if len(source) > largest_kb << 10:
        raise _invalid(
            f"{path.name} has {len(source):,} bytes of Python; this competition takes at most "
            f"{largest_kb << 10:,} (limits.submission_kb). Weights and data cannot be submitted."
        )
    digest = hashlib.sha256(source).hexdigest()
    notes = tuple(Note(*note) for note in said["notes"])
    imports, reads_val = tuple(said["imports"]), said["reads_val"]
    signed = said["signed"]
    return Submission(name, path, source, digest, imports, function, signed, notes, reads_val)


def entry(path: Path, function: str = "unlearning", largest_kb: int = 256) -> Entry:
    """The row's name, and what is to be run for it, or why nothing is; see `read`."""
    try:
        return row_name(path), read(path, function, largest_kb)
    except Verdict as verdict:
        return row_name(path), verdict


def _parsed(file: BinaryIO, path: Path, function: str) -> dict[str, Any]:
    """What the file says, as `harness.parsing` read it in a process of its own."""
    if (size := os.fstat(file.fileno()).st_size) > (largest := LARGEST[path.suffix]):
        raise _invalid(
            f"{path.name} has {size:,} bytes; at most {largest:,} are taken. "
            "Weights and data cannot be submitted."
        )
    asked = json.dumps([path.suffix, path.name, function, FUNCTIONS[function]])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", _PARSER, asked],
        stdin=file,
        capture_output=True,
        start_new_session=True,  # Ctrl-C goes to us, and we end it
        check=False,
    )
    if not done.stdout:
        raise OSError(f"nothing can be parsed on this machine: {done.stderr.decode()[-1000:]}")
    longest, *rest = done.stdout.splitlines()
    if done.returncode or not rest:
        why = _ended(done.returncode)
        raise _invalid(f"{path.name} cannot be read: {why}{json.loads(longest)}.")
    said = json.loads(rest[0])
    if "fault" in said:
        fault = said["fault"]
        colon = "," if fault.startswith(("line ", "cell ")) else ":"
        raise _invalid(f"{path.name}{colon} {fault}")
    return said


def _ended(code: int) -> str:
    """Why a parsing process gave no answer."""
    if code == -signal.SIGXCPU:
        return "Python takes too long to parse it"
    what = f"signal {-code}" if code < 0 else f"exit status {code}"
    return f"it ended Python's parser, or took too much memory for it ({what})"


def _presentable(text: str, size: int) -> str:
    return shorten(clean(shorten(text, size)), size)


def _invalid(message: str) -> Verdict:
    return Verdict("invalid_submission", message)
