"""Whatever is killed, and whenever: no verdict on the submission, and nothing of ours is left."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.sandbox.host import Process, SandboxError, Server, Zygote, isolation_level, levels
from harness.sandbox.walls import NoWalls, files
from tests.sandbox.small import LIMITS, at_level, unread

SLEEPS = """
import time
def unlearning(net, retain, forget, val):
    print("asleep", flush=True)
    time.sleep(60)
"""
SLOW = """
import time
def unlearning(net, retain, forget, val):
    time.sleep(0.2)
    net.fc.bias.data.normal_()
"""
# A host that runs in two threads until something ends it.
HOST = f"""
import json, sys, threading
from pathlib import Path
from harness.competition import Limits
from harness.sandbox.host import Server, Zygote
from harness.submission import Submission
submission = Submission("mine", Path("mine.py"), {SLEEPS.encode()!r}, "", ())
limits = Limits(**json.loads(sys.argv[2]))
with Zygote(Path(sys.argv[1])) as zygote, Server(submission, zygote, limits) as server:
    print("started", flush=True)
    threading.Thread(target=server.run, args=[1], daemon=True).start()
    server.run(2)
"""
LONG = json.dumps(LIMITS.__dict__ | {"seconds": 60})
LEVELS = ("full", "none")  # partial has the namespaces of the one or the lack of the other


def descendants(pid: int) -> list[int]:
    """All processes below this one, the deepest last."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def runs_of(pid: int) -> list[int]:
    """Processes that execute a submission: forks of a server's template."""
    warm = [p for p in descendants(pid) if b"harness.sandbox.guest.zygote" in command_line(p)]
    warm = [p for p in warm if not command_line(p).startswith((b"bwrap", b"setpriv"))]
    servers = {child for p in warm for child in descendants(p)}
    templates = {child for server in servers for child in descendants(server)}
    return [p for p in warm if any(p in descendants(template) for template in templates)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def eventually(condition: Callable[[], object]) -> object:
    """Wait for it; a minute is for a machine that does much else."""
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return value


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test: no process, no temporary directory and no mount that was not there."""
    mine = set(descendants(os.getpid()))

    def marks() -> set[str]:
        folders = {str(path) for path in Path(tempfile.gettempdir()).glob("unlearning-*")}
        ours = tempfile.gettempdir(), "/guest", "/inputs"  # others may mount what they like
        mounts = Path("/proc/mounts").read_text().splitlines()
        return folders | {mount for mount in mounts if mount.split()[1].startswith(ours)}

    before = marks()
    yield
    eventually(lambda: set(descendants(os.getpid())) <= mine)
    eventually(lambda: marks() <= before)
    ours = b"harness.sandbox.guest.zygote\0"
    eventually(lambda: not [p for p in everyone() if ours in command_line(p) and orphan(p)])


def everyone() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def orphan(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == "1"
    except OSError:
        return False


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    best, missing = isolation_level()
    if request.param == "full" != best:
        pytest.skip(f"this machine gives {best}: {missing}")
    return request.param


@pytest.fixture
def host(inputs: Path, level: str) -> Iterator[subprocess.Popen]:
    """A host in a session of its own, with two runs under way."""
    environment = os.environ | {
        "UNLEARNING_ISOLATION": level,
        "PYTHONPATH": str(files.PACKAGE.parent),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", HOST, str(inputs), LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        eventually(lambda: len(runs_of(process.pid)) >= 2)
        yield process


@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_ends_everything_and_is_no_verdict(host: subprocess.Popen) -> None:
    os.killpg(host.pid, signal.SIGINT)
    _, errors = host.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Verdict" not in errors


@pytest.mark.usefixtures("nothing_left")
def test_a_killed_host_leaves_nothing(host: subprocess.Popen) -> None:
    guests = descendants(host.pid)
    host.kill()
    host.communicate(timeout=60)
    eventually(
        lambda: not [p for p in guests if b"harness.sandbox.guest.zygote" in command_line(p)]
    )


@pytest.mark.usefixtures("nothing_left")
def test_a_killed_parent_is_the_hosts_fault(inputs: Path, level: str) -> None:
    limits = LIMITS.__class__(**LIMITS.__dict__ | {"seconds": 60})
    with at_level(level, unread(SLEEPS), inputs, limits) as server:
        threading.Timer(0.5, lambda: kill_guest(os.getpid())).start()
        with pytest.raises(SandboxError, match="died during a run"):
            server.run(0)
        with pytest.raises(SandboxError, match="is gone"):
            server.run(1)


def kill_guest(pid: int) -> None:
    """SIGKILL to what forks the runs."""
    run = runs_of(pid)[-1]
    parent = Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[1]
    os.kill(int(parent), signal.SIGKILL)


@pytest.mark.usefixtures("nothing_left")
def test_runs_killed_at_random_are_run_again(inputs: Path) -> None:
    chance = random.Random(4)
    with Zygote(inputs) as zygote, Server(unread(SLOW), zygote, LIMITS) as server:
        undisturbed = server.run(1).weights["fc.bias"]
        for _ in range(10):
            done = threading.Event()

            def shoot(wait: float, done: threading.Event) -> None:
                done.wait(wait)
                for run in runs_of(os.getpid())[-1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(run, signal.SIGKILL)

            hunter = threading.Thread(target=shoot, args=[chance.uniform(0, 0.1), done])
            hunter.start()
            assert (server.run(1).weights["fc.bias"] == undisturbed).all()
            done.set()
            hunter.join()
        assert (server.run(1).weights["fc.bias"] == undisturbed).all()


@pytest.mark.usefixtures("nothing_left")
def test_a_sandbox_that_cannot_start_says_why(inputs: Path, tmp_path: Path) -> None:
    for path in inputs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "retain.safetensors").write_bytes(b"not a tensor")
    wanted = pytest.raises(SandboxError, match="did not start: (.|\n)*SafetensorError")
    with Zygote(tmp_path) as zygote, wanted:
        Server(unread(SLOW), zygote, LIMITS)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("wait", [0, 0.3, 5])  # before its first line, in its imports, after them
def test_a_guest_started_ahead_and_never_used_is_ended(wait: float) -> None:
    with Process() as process:
        time.sleep(wait)
        assert process.alive
    assert not process.alive
    process.kill()  # a process that is gone has no number any more


@pytest.mark.usefixtures("nothing_left")
def test_a_guest_of_another_level_or_with_other_data_is_not_taken(inputs: Path) -> None:
    submission = unread("def unlearning(net, retain, forget, val): pass")
    if isolation_level()[0] == "none":
        pytest.skip("this machine has one level only")
    with Process(NoWalls) as unwalled, Zygote(inputs, process=unwalled) as zygote:
        with Server(submission, zygote, LIMITS) as server:
            server.run(0)
        assert not unwalled.alive
    with Process() as process:
        process.load(inputs)
        assert process.suits(inputs, levels.best().walls)
        assert not process.suits(inputs.parent, levels.best().walls)


@pytest.mark.usefixtures("nothing_left")
def test_a_guest_started_ahead_is_taken_and_one_that_died_replaced(inputs: Path) -> None:
    submission = unread("def unlearning(net, retain, forget, val): pass")
    with Process() as process:
        with Zygote(inputs, process=process) as zygote, Server(submission, zygote, LIMITS) as one:
            first = one.run(0).weights["fc.bias"]
            assert process.alive
        assert not process.alive
    with Process() as process:
        process.kill()
        with Zygote(inputs, process=process) as zygote, Server(submission, zygote, LIMITS) as two:
            assert not process.alive
            assert (two.run(0).weights["fc.bias"] == first).all()


@pytest.mark.usefixtures("nothing_left")
def test_closing_ends_the_runs_under_way(inputs: Path) -> None:
    raised: list[BaseException] = []

    def run(server: Server) -> None:
        try:
            server.run(0)
        except BaseException as error:
            raised.append(error)

    with Zygote(inputs) as zygote, Server(unread(SLEEPS), zygote, LIMITS) as server:
        thread = threading.Thread(target=run, args=[server])
        thread.start()
        eventually(lambda: runs_of(os.getpid()))
    thread.join()
    assert [type(error) for error in raised] == [SandboxError]
