"""Inside: tries, from within a run's walls, what a hostile submission would try first."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.sandbox.walls import WALLS, Walls

_SECCOMP_FILTER = "2"
_MOMENT = 1.0  # seconds in which a namespace ends what is left in it


def main(setup_fd: int) -> None:
    """Print, as JSON, which attempts succeeded."""
    with os.fdopen(setup_fd) as file:
        setup = json.load(file)
    walls = WALLS[setup["walls"]](setup["visible"], memory_mb=256, scratch_mb=1, processes=16)
    report, tell = os.pipe()
    lingering, linger = os.pipe()
    pid = walls.fork()
    if pid == 0:
        _be_a_run(walls, setup, tell, linger)
    os.close(tell)
    os.close(linger)
    with os.fdopen(report) as file:
        text = file.read()
    os.waitpid(pid, 0)
    walls.clean(pid)
    walls.tear_down()
    if not text.startswith("["):
        sys.exit(text or "a run died within its walls")
    # The daemon holds its end of this pipe for as long as it lives.
    stays = not select.select([lingering], [], [], _MOMENT)[0]
    print(json.dumps(json.loads(text) + ["leave a daemon"] * stays))


def _be_a_run(walls: Walls, setup: dict[str, Any], tell: int, linger: int) -> None:
    try:
        walls.enter(keep=(tell, linger))
        reply = json.dumps([name for name, attempt in _attempts(setup).items() if _works(attempt)])
        if os.fork() == 0:
            os.setsid()
            os.closerange(0, 3)  # what the host waits to see closed
            os.close(tell)
            time.sleep(2 * _MOMENT)
            os._exit(0)
    except Exception as error:
        reply = f"{type(error).__name__}: {error}"
    os.write(tell, reply.encode())
    os._exit(0)


def _attempts(setup: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """Each raises OSError where it is stopped; the names are those of `host.levels`."""
    return {
        "read files": lambda: _read_any(setup["hidden"]),
        "see the host's folders": lambda: _enter_any(setup["private"]),
        "write files": lambda: _write(Path(setup["outside"])),
        "reach the network": lambda: socket.create_connection(("127.0.0.1", setup["port"]), 1),
        "reach abstract sockets": lambda: _connect(setup["abstract"]),
        "signal the evaluator": lambda: _signal(setup["evaluator"]),
        "be root": _be_root,
        "call the kernel unfiltered": _be_unfiltered,
    }


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _read_any(paths: Sequence[str]) -> None:
    if not any(_works(Path(path).read_bytes) for path in paths):
        raise PermissionError


def _enter_any(folders: Mapping[str, Sequence[int]]) -> None:
    """A folder that is covered is another one of the same name; one below Landlock stays shut."""
    for path, identity in folders.items():
        with contextlib.suppress(OSError):
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            status = os.fstat(folder)
            os.close(folder)
            if [status.st_dev, status.st_ino] == list(identity):
                return
    raise PermissionError


def _write(path: Path) -> None:
    path.touch()
    path.unlink()


def _connect(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name)


def _signal(pid: int) -> None:
    if pid == os.getpid():  # both are 1, each in its own namespace: in a container
        raise ProcessLookupError
    os.kill(pid, 0)


def _be_root() -> None:
    if os.getuid():
        raise PermissionError


def _be_unfiltered() -> None:
    status = Path("/proc/self/status").read_text()
    if dict(line.split(":\t") for line in status.splitlines())["Seccomp"] == _SECCOMP_FILTER:
        raise PermissionError


if __name__ == "__main__":
    main(int(sys.argv[1]))
