"""Every hostile submission, at every level that claims to stop it, ends as its header says.

`harmless` means that the run came to nothing worse than a result, and never printed WON.
"""

import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.competition import LEVELS, Limits
from harness.sandbox.host import Server, cgroup, isolation_level
from harness.sandbox.walls import files
from harness.submission import VERDICTS, Verdict
from tests.sandbox.small import at_level, several
from tests.sandbox.test_levels import as_ordinary_user, without_user_namespaces

LIMITS = Limits(seconds=3, memory_mb=800, scratch_mb=16, processes=24, output_kb=64)
PATIENT = replace(LIMITS, seconds=30)  # where something else has to stop it, on a busy machine too
HOSTILE = {path.stem: path.read_text() for path in Path(__file__).parent.glob("hostile/*.py")}
MARK = f"evil-{os.getpid()}"  # other tests may run beside these
# In the headers `partial` has user namespaces, `landlock` is the same level without: a machine has
# either the one or the other.
WITHOUT = Path("/proc/sys/user/max_user_namespaces").read_text() == "0\n"
_WEAKER = ("full", "partial", "landlock")
TABLE = files.PACKAGE.parent / "docs/sandbox.md"
KINDS = {"full": "full", "landlock" if WITHOUT else "partial": "partial", "none": "none"}

# What an attack can `import target` for: where its targets are, and how to mark a process.
TARGET = """
import ctypes, sys
class target:
    {facts}
    @staticmethod
    def mark():
        ctypes.CDLL(None).prctl(15, b"{mark}", 0, 0, 0)  # PR_SET_NAME
sys.modules["target"] = target
"""


def headers() -> Iterator[tuple[str, str, str, int]]:
    """Attack, kind of level, outcome and how many runs, for every claim."""
    for name, text in sorted(HOSTILE.items()):
        claims = dict(re.findall(r"^([a-z, ]+): (.+)$", text.split('"""')[1], re.MULTILINE))
        runs = int(claims.pop("runs", 1))
        for levels, outcome in claims.items():
            for level in levels.split(", "):
                yield name, level, outcome, runs


CLAIMS = list(headers())
HERE = sorted((c for c in CLAIMS if c[1] in KINDS), key=lambda claim: [*KINDS].index(claim[1]))


@pytest.fixture(scope="session")
def targets() -> Iterator[dict[str, Any]]:
    """A host worth attacking: an open file, an open folder, and listeners of every kind."""
    folder = Path(tempfile.mkdtemp(prefix="unlearning-target-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "canary").write_text("labels of the test set")
    (folder / "writable").mkdir()
    (folder / "writable").chmod(0o777)
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0" + folder.name)
        for listener in (unix, abstract):
            listener.listen()
        yield {
            "canary": str(folder / "canary"),
            "mode": (folder / "canary").stat().st_mode & 0o777,
            "writable": str(folder / "writable"),
            "unix": str(folder / "socket"),
            "abstract": folder.name,
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "evaluator": os.getpid(),
            "repository": str(files.PACKAGE.parent),
            "processes": LIMITS.processes,
            "scratch_mb": LIMITS.scratch_mb,
        }
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def attack(
    inputs: Path, targets: dict[str, Any]
) -> Iterator[Callable[[str, str, Limits], tuple[str, str, str]]]:
    """A function that runs an attack at a level, within limits: outcome, message, output."""
    facts = "; ".join(f"{k} = {v!r}" for k, v in (targets | {"inputs": str(inputs)}).items())
    prelude = TARGET.format(facts=facts, mark=MARK)
    submission, seeds = several(HOSTILE, prelude)
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("HOST_SECRET", "unguessable")

        @functools.cache
        def sandbox(level: str, limits: Limits) -> Server:
            return stack.enter_context(at_level(level, submission, inputs, limits))

        yield lambda level, name, limits: run(sandbox(level, limits), seeds[name])


def run(server: Server, seed: int) -> tuple[str, str, str]:
    try:
        return "harmless", "", server.run(seed).output
    except Verdict as verdict:
        return verdict.status, verdict.message, verdict.output


def marked() -> list[int]:
    """Processes that an attack has left."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == MARK:
                found.append(int(path.parent.name))
    return found


def test_every_attack_says_what_must_become_of_it() -> None:
    assert len(HOSTILE) >= 30
    assert {name for name, *_ in CLAIMS} == set(HOSTILE)
    assert {kind for _, kind, *_ in CLAIMS} == {*LEVELS, "landlock"}
    assert {outcome for *_, outcome, _ in CLAIMS} <= {"harmless", *VERDICTS}


def test_the_docs_list_what_a_level_does_not_stop() -> None:
    """Against the level above it; level none is not listed attack by attack."""
    stopped = {kind: {name for name, of, *_ in CLAIMS if of == kind} for kind in _WEAKER}
    rows = re.findall(r"^\| `(?:full|partial)`.*$", TABLE.read_text(), re.MULTILINE)
    assert len(rows) == len(_WEAKER)
    for (above, kind), row in zip(pairwise(["", *_WEAKER]), rows, strict=True):
        named = set(re.findall(r"`(\w+)`", row)) & set(HOSTILE)
        assert named == (stopped[above] if above else set(HOSTILE)) - stopped[kind], kind


@pytest.mark.parametrize(
    ("name", "kind", "outcome", "runs"),
    HERE,
    ids=[f"{kind}-{name}" for name, kind, *_ in HERE],
)
def test_an_attack_ends_as_its_header_says(
    attack: Callable[[str, str, Limits], tuple[str, str, str]],
    name: str,
    kind: str,
    outcome: str,
    runs: int,
) -> None:
    level = KINDS[kind]
    best, missing = isolation_level()
    if LEVELS.index(level) > LEVELS.index(best):
        pytest.skip(f"this machine gives {best}: {missing}")
    for _ in range(runs):
        limits = LIMITS if outcome == "timeout" else PATIENT
        status, message, output = attack(level, name, limits)
        assert "WON" not in output
        assert status == outcome, message
        assert len(output) <= (LIMITS.output_kb << 10) + 100
        assert len(message) <= 64 << 10
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", message + output)
    assert not marked()


MEMORY = [(name, kind) for name, kind, outcome, _ in HERE if outcome == "out_of_memory"]


@pytest.fixture(scope="module")
def watched(inputs: Path) -> Iterator[Callable[[str, str], tuple[str, str, str]]]:
    """As `attack`, on a machine that gives no control group: a watchdog is alone."""
    prelude = TARGET.format(facts="processes = 24", mark=MARK)
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(cgroup, "make", lambda: None)
        submission, seeds = several(HOSTILE, prelude)

        @functools.cache
        def server(kind: str) -> Server:
            return stack.enter_context(at_level(KINDS[kind], submission, inputs, PATIENT))

        yield lambda kind, name: run(server(kind), seeds[name])


@pytest.mark.parametrize(("name", "kind"), MEMORY)
def test_memory_is_bounded_without_control_groups(
    watched: Callable[[str, str], tuple[str, str, str]], name: str, kind: str
) -> None:
    level = KINDS[kind]
    best, missing = isolation_level()
    if LEVELS.index(level) > LEVELS.index(best):
        pytest.skip(f"this machine gives {best}: {missing}")
    status, message, _ = watched(kind, name)
    assert status == "out_of_memory", message
    assert not marked()


def test_without_user_namespaces_the_attacks_end_as_their_headers_say(inputs: Path) -> None:
    """This file once more, on a machine (as an ordinary user sees it) that has none."""
    if isolation_level()[0] != "full" or WITHOUT:
        pytest.skip("this machine has no user namespaces to take away")
    these = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", "landlock-"]
    done = subprocess.run(
        [*as_ordinary_user(inputs), *without_user_namespaces(), *these],
        capture_output=True,
        text=True,
        cwd=files.PACKAGE.parent,
    )
    assert done.returncode == 0, done.stdout
    assert f"\n{sum(kind == 'landlock' for _, kind, *_ in CLAIMS)} passed" in done.stdout
