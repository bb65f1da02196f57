"""The command lines that start a Python program inside bubblewrap, or without it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from harness.sandbox import policy

PACKAGE = Path(__file__).parent.parent
_ROOT_OF_GUEST = "/guest"


def visible() -> list[str]:
    """Folders of the interpreter and of the packages that it imports from."""
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    folders: list[str] = []
    for path in (sys.prefix, sys.base_prefix, *packages):
        # Both as named and as resolved: a link to the interpreter may go through either.
        for folder in (path, str(Path(path).resolve())):
            if not any(Path(folder).is_relative_to(known) for known in (*folders, "/usr")):
                folders.append(folder)
    return folders


def command(
    level: str, module: str, arguments: Sequence[str], files: Mapping[str, int]
) -> tuple[list[str], dict[str, str]]:
    """Argument list and environment that run `python -m module arguments`.

    Parameters
    ----------
    level : str
        "full" for bubblewrap; below, the program starts outside and shuts itself in.
    files : mapping of str to int
        At level full: where inside to put a copy of what an open descriptor holds.
    """
    if level != "full":
        python = [sys.executable, "-P", "-m", module, *arguments]
        return python, policy.environment(str(PACKAGE.parent))
    folders = visible()
    sources = folders
    before: list[str] = []
    if os.geteuid() == 0:
        # An ordinary user may not reach what lies under root's home: bind it where all can.
        sources = [f"/tmp/{number}" for number in range(len(folders))]
        before = _become_ordinary_user(dict(zip(folders, sources, strict=True)))
    inside = _bubblewrap(dict(zip(sources, folders, strict=True)), files)
    python = [sys.executable, "-P", "-m", module, *arguments]
    return before + inside + python, {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def guest_files() -> dict[str, Path]:
    """Where the guest's own program lies inside, and here."""
    return {f"{_ROOT_OF_GUEST}/harness/{name}": PACKAGE / name for name in policy.GUEST_FILES}


def open_files(stack: contextlib.ExitStack, files: Mapping[str, Path]) -> dict[str, int]:
    """A descriptor for each file, as `command` takes them, open for as long as `stack`."""
    return {place: stack.enter_context(path.open("rb")).fileno() for place, path in files.items()}


def in_memory(content: object) -> IO[str]:
    """A file that has no name, from which `content` can be read as JSON."""
    file = os.fdopen(os.memfd_create("setup"), "w+")
    json.dump(content, file)
    file.flush()
    file.seek(0)
    return file


def _become_ordinary_user(binds: Mapping[str, str]) -> list[str]:
    """For root: a view of the machine in which `binds` can be reached, then another user."""
    view = ["bwrap", "--dev-bind", "/", "/", "--perms", "0755", "--tmpfs", "/tmp"]
    for source, place in binds.items():
        view += ["--ro-bind", source, place]
    user = ["setpriv", f"--reuid={policy.UID}", f"--regid={policy.UID}", "--clear-groups"]
    return [*view, *user, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def _bubblewrap(binds: Mapping[str, str], files: Mapping[str, int]) -> list[str]:
    """The outer wall, put up by an ordinary user; `policy` says why each thing is in it."""
    # Capabilities over its own user namespace only: the warm parent walls in each run with
    # them, and the run drops them. As pid 1 it owns the pid namespace that it forks from; so no
    # --dev, which would put another user namespace in between.
    # No --unshare-cgroup: from another group's namespace, runs cannot be moved into theirs.
    line = ["bwrap", "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    line += ["--unshare-uts", "--as-pid-1", "--new-session", "--cap-add", "ALL"]
    line += ["--hostname", "sandbox", "--clearenv"]
    for name, value in policy.environment(_ROOT_OF_GUEST).items():
        line += ["--setenv", name, value]
    for path in policy.SYSTEM:
        line += ["--ro-bind-try", path, path]
    for path in policy.ROOT_LINKS:
        if Path(path).is_symlink():
            line += ["--symlink", str(Path(path).readlink()), path]
        else:
            line += ["--ro-bind-try", path, path]
    line += ["--proc", "/proc"]
    for path in policy.DEVICES:
        line += ["--dev-bind", path, path]
    for path, target in policy.LINKS.items():
        line += ["--symlink", target, path]
    if gpus := policy.gpu_devices():
        line += ["--ro-bind", "/sys", "/sys"]  # the driver looks up the PCI bus
        for path in gpus:
            line += ["--dev-bind", path, path]
    for place in ("/tmp", "/dev/shm"):
        # One for each run covers this one, of the size that the competition allows.
        line += ["--size", str(policy.MIB), "--tmpfs", place]
    line += ["--perms", "0755", "--tmpfs", policy.INPUTS]  # filled and shut by the warm parent
    # After /tmp, where a checkout and its environment may lie.
    for source, place in binds.items():
        line += ["--ro-bind", source, place]
    for place, descriptor in files.items():
        line += ["--perms", "0444", "--file", str(descriptor), place]
    return [*line, "--remount-ro", "/", "--chdir", "/tmp", "--"]
