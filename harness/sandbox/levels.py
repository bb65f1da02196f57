"""Which isolation this machine gives: found by attacking it, not by looking at version numbers.

UNLEARNING_ISOLATION=partial or none lowers the level on purpose; nothing raises it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from harness.competition import LEVELS
from harness.sandbox import walls
from harness.sandbox.errors import SandboxError

VARIABLE = "UNLEARNING_ISOLATION"

# What a level has to stop to be called so; `guest_probe` tries all of them.
_STOPS = {
    "full": {
        "read files",
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
        "write files",
        "reach the network",
        "be root",
        "call the kernel unfiltered",
    },
}


def isolation_level() -> tuple[str, str]:
    """The best level that holds on this machine.

    Returns
    -------
    level : str
        "full", "partial" or "none".
    missing : str
        Why it is not full and how to get there, in one line; empty when it is full.
    """
    ceiling = os.environ.get(VARIABLE, "full")
    if ceiling not in LEVELS:
        raise SandboxError(f"{VARIABLE}={ceiling!r} is none of {', '.join(LEVELS)}")
    missing = "" if ceiling == "full" else f"{VARIABLE}={ceiling} asks for no more"
    for level in ("full", "partial"):
        if LEVELS.index(level) <= LEVELS.index(ceiling):
            failure = _failure(level)
            if not failure:
                return level, missing
            missing = missing or failure
    return "none", missing


def at_least(require: str) -> tuple[str, str]:
    """As `isolation_level`, but refuses a level below `require`."""
    level, missing = isolation_level()
    if LEVELS.index(level) < LEVELS.index(require):
        raise SandboxError(
            f"isolation {require!r} is required, but only {level!r} holds: {missing}"
        )
    return level, missing


@functools.cache
def _failure(level: str) -> str:
    """Why `level` does not hold here; empty if it does."""
    if level == "full":
        for program, package in (("bwrap", "bubblewrap"), ("setpriv", "util-linux")):
            if shutil.which(program) is None and (program == "bwrap" or os.geteuid() == 0):
                return f"{package} is not installed (Debian, Ubuntu: apt-get install {package})"
    got = _probe(level)
    if got.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise SandboxError(f"the probe of level {level!r} was killed: run the same command again")
    if got.returncode:
        complaint = (got.stderr.strip().splitlines() or ["no message"])[-1]
        return f"it cannot be set up: {complaint}{_remedy()}"
    if won := _STOPS[level] & set(json.loads(got.stdout)):
        return f"a run could {', '.join(sorted(won))}"
    return ""


def _probe(level: str) -> subprocess.CompletedProcess:
    """Put up a run's walls and attack from within; stdout lists the attacks that worked."""
    abstract = f"unlearning-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("\0" + abstract)
        unix.listen()
        setup = stack.enter_context(
            walls.in_memory(
                {
                    "level": level,
                    "visible": walls.visible(),
                    "hidden": "/etc/passwd",  # anyone may read it, so only walls hide it
                    "outside": f"/var/tmp/{abstract}",
                    "port": listener.getsockname()[1],
                    "abstract": abstract,
                    "evaluator": os.getpid(),
                }
            )
        )
        files = walls.open_files(stack, walls.guest_files()) if level == "full" else {}
        line, environment = walls.command(
            level, "harness.sandbox.guest_probe", [str(setup.fileno())], files
        )
        try:
            return subprocess.run(
                line,
                env=environment,
                cwd="/",
                pass_fds=[setup.fileno(), *files.values()],
                capture_output=True,
                text=True,
                timeout=60,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(line, 1, "", "the probe hung")


def _remedy() -> str:
    """What usually forbids namespaces, as far as it can be seen."""
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid():
        return "; AppArmor forbids it: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
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
