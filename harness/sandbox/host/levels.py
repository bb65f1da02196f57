"""Which isolation this machine gives: found by attacking it, not by looking at version numbers.

UNLEARNING_ISOLATION=partial or none lowers the level on purpose; nothing raises it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.competition import LEVELS
from harness.sandbox.host.errors import SandboxError
from harness.sandbox.walls import BACKENDS, Walls, files, gpu, policy

VARIABLE = "UNLEARNING_ISOLATION"

# What a level must stop to be called so; `guest.probe` tries all of them.
_STOPS = {
    "full": {
        "read files",
        "see the host's folders",
        "write files",
        "reach the network",
        "reach abstract sockets",
        "signal the evaluator",
        "be root",
        "call the kernel unfiltered",
        "leave a daemon",
    },
    "partial": {
        "read files",
        "see the host's folders",
        "write files",
        "reach the network",
        "be root",
        "call the kernel unfiltered",
    },
}


@dataclass(frozen=True)
class Isolation:
    """The best walls that hold on this machine.

    Attributes
    ----------
    walls : type of Walls
    missing : str
        Why the level is not full and how to get there, in one line; empty when it is full.
    """

    walls: type[Walls]
    missing: str

    @property
    def level(self) -> str:
        """ "full", "partial" or "none"."""
        return self.walls.level


def best(require: str = "none") -> Isolation:
    """Probe the backends, the strongest first.

    Raises
    ------
    SandboxError
        If the level is lower than required.
    """
    found = _best()
    if LEVELS.index(found.level) < LEVELS.index(require):
        raise SandboxError(
            f"isolation {require!r} is required, but only {found.level!r} holds: {found.missing}"
        )
    return found


def isolation_level() -> tuple[str, str]:
    """Level and what is missing of `best`."""
    found = best()
    return found.level, found.missing


def _best() -> Isolation:
    ceiling = os.environ.get(VARIABLE, "full")
    if ceiling not in LEVELS:
        raise SandboxError(f"{VARIABLE}={ceiling!r} is none of {', '.join(LEVELS)}")
    missing = "" if ceiling == "full" else f"{VARIABLE}={ceiling} asks for no more"
    *guarded, unguarded = (w for w in BACKENDS if LEVELS.index(w.level) <= LEVELS.index(ceiling))
    for walls in guarded:
        failure = _failure(walls, tuple(files.private()))
        if not failure:
            return Isolation(walls, missing)
        missing = missing or failure
    return Isolation(unguarded, missing)


@functools.cache
def _failure(walls: type[Walls], private: tuple[str, ...]) -> str:
    """Why these walls do not hold for a host with these folders; empty if they do."""
    if lacking := walls.lacking():
        return lacking
    got = _probe(walls, private)
    if got.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise SandboxError(
            f"the probe of level {walls.level!r} was killed: run the same command again"
        )
    if got.returncode:
        complaint = (got.stderr.strip().splitlines() or ["no message"])[-1]
        return f"it cannot be set up: {complaint}{_remedy()}"
    if won := _STOPS[walls.level] & set(json.loads(got.stdout)):
        return f"a run could {', '.join(sorted(won))}"
    return ""


def _probe(walls: type[Walls], private: Sequence[str]) -> subprocess.CompletedProcess:
    """Put up a run's walls and attack from within; stdout lists the attacks that worked."""
    abstract = f"unlearning-{secrets.token_hex(8)}"
    visible = files.visible()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("\0" + abstract)
        unix.listen()
        setup = stack.enter_context(
            files.in_memory(
                {
                    "walls": walls.name,
                    "visible": visible,
                    # Anyone may read the first, so only walls hide it.
                    "hidden": ["/etc/passwd", *_hidden(private, visible)],
                    "private": {folder: _identity(folder) for folder in private},
                    "outside": f"/var/tmp/{abstract}",
                    "port": listener.getsockname()[1],
                    "abstract": abstract,
                    "evaluator": os.getpid(),
                }
            )
        )
        module, arguments = "harness.sandbox.guest.probe", [str(setup.fileno())]
        line, environment, descriptors = walls.command(module, arguments, visible, stack)
        try:
            return subprocess.run(
                line,
                env=environment,
                cwd="/",
                pass_fds=[setup.fileno(), *descriptors],
                capture_output=True,
                text=True,
                timeout=60,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(line, 1, "", "the probe hung")


def _hidden(folders: Sequence[str], visible: Sequence[str]) -> Iterator[str]:
    """One file of each folder, near its top, and not of those that runs may see."""
    shown = {*visible, *policy.SYSTEM, *policy.ROOT_LINKS, "/proc", "/sys", "/dev"}
    for folder in folders:
        for place, below, names in os.walk(folder):
            below[:] = [name for name in below if str(Path(place, name)) not in shown]
            if found := [path for name in names if (path := Path(place, name)).is_file()]:
                yield str(found[0])
                break


def _identity(folder: str) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _remedy() -> str:
    """What usually forbids namespaces, as far as it can be seen."""
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid():
        return "; AppArmor forbids it: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    if gpu.covered():
        return (
            "; NVIDIA's container toolkit mounts over /proc/driver/nvidia, and the kernel then "
            "gives no run a /proc of its own: as root, umount -R /proc/driver/nvidia"
        )
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return "; the kernel forbids it: sysctl kernel.unprivileged_userns_clone=1"
    if _setting("user/max_user_namespaces") == "0":
        return "; the kernel forbids it: sysctl user.max_user_namespaces=10000"
    if any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")):
        return (
            "; in Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined, and --cap-add SYS_ADMIN for root"
        )
    return ""


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""
