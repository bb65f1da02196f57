"""The strongest walls: bubblewrap builds a machine in which only what the policy names exists."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.sandbox.walls import files, gpu, kernel, policy, seccomp
from harness.sandbox.walls.namespaces import InNamespaces
from harness.sandbox.walls.protocol import Command
from harness.sandbox.walls.restrict import restrict


class Bubblewrap(InNamespaces):
    """Zygote, server and run inside bubblewrap, which leaves them capabilities over their own
    namespaces; each run has namespaces of its own within those."""

    name = "bubblewrap"
    level = "full"

    def __init__(
        self, visible: Sequence[str], memory_mb: int, scratch_mb: int, processes: int
    ) -> None:
        super().__init__(visible, memory_mb, scratch_mb, processes)
        self._filter = seccomp.program(own_network=True, own_files=True, gpu=bool(gpu.devices()))

    @staticmethod
    def lacking() -> str:
        for program, package in (("bwrap", "bubblewrap"), ("setpriv", "util-linux")):
            if shutil.which(program) is None and (program == "bwrap" or os.geteuid() == 0):
                return f"{package} is not installed (Debian, Ubuntu: apt-get install {package})"
        return ""

    @staticmethod
    def command(
        module: str, arguments: Sequence[str], visible: Sequence[str], stack: contextlib.ExitStack
    ) -> Command:
        copied = files.opened(stack, files.program())
        sources = list(visible)
        before: list[str] = []
        if os.geteuid() == 0:
            # An ordinary user may not reach what lies under root's home: bind it where all can.
            sources = [f"/tmp/{number}" for number in range(len(visible))]
            before = _become_ordinary_user(dict(zip(visible, sources, strict=True)))
        inside = _bubblewrap(dict(zip(sources, visible, strict=True)), copied)
        python = [sys.executable, "-P", "-m", module, *arguments]
        path = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        return Command(before + inside + python, path, [*copied.values()])

    @staticmethod
    def begin() -> None:
        # bubblewrap waits outside for this process and must not leave it behind.
        kernel.die_with_parent(signal.SIGKILL)

    @staticmethod
    def show(files: Mapping[str, bytes]) -> None:
        """Fill `policy.INPUTS`, a file system of its own, which nobody can write to afterwards."""
        for name, content in files.items():
            Path(policy.INPUTS, name).write_bytes(content)
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("none", policy.INPUTS, None, kernel.MS_REMOUNT | kernel.MS_BIND | flags)

    def enter(self, keep: Sequence[int]) -> None:
        self._enter_own_world(keep)
        restrict(self._limits, self._filter)


def _become_ordinary_user(binds: Mapping[str, str]) -> list[str]:
    """For root: a view of the machine in which `binds` can be reached, then another user."""
    view = ["bwrap", "--dev-bind", "/", "/", "--perms", "0755", "--tmpfs", "/tmp"]
    for source, place in binds.items():
        view += ["--ro-bind", source, place]
    user = ["setpriv", f"--reuid={policy.UID}", f"--regid={policy.UID}", "--clear-groups"]
    return [*view, *user, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def _covers(shown: Sequence[str]) -> list[str]:
    """Empty folders over those of the host's own that lie within what is shown."""
    below = [p for p in files.private() if any(_is_below(p, place) for place in shown)]
    return [word for path in below for word in ("--perms", "0755", "--tmpfs", path)]


def _is_below(path: str, place: str) -> bool:
    return path != place and Path(path).is_relative_to(place)


def _bubblewrap(binds: Mapping[str, str], copied: Mapping[str, int]) -> list[str]:
    """The outer wall, put up by an ordinary user; `policy` says why each thing is in it."""
    # Capabilities over its own user namespace only: the server walls in each run with
    # them, and the run drops them. As pid 1 it owns the pid namespace that it forks from; so no
    # --dev, which would put another user namespace in between.
    # No --unshare-cgroup: from another group's namespace, runs cannot be moved into theirs.
    line = ["bwrap", "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    line += ["--unshare-uts", "--as-pid-1", "--new-session", "--cap-add", "ALL"]
    line += ["--hostname", "sandbox", "--clearenv"]
    for name, value in policy.environment(policy.GUEST).items():
        line += ["--setenv", name, value]
    for path in policy.SYSTEM:
        line += ["--ro-bind-try", path, path]
    line += _covers(policy.SYSTEM)
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
    for path in gpu.devices():
        line += ["--dev-bind", path, path]
    for path in gpu.system():
        line += ["--ro-bind", path, path]
    for place in ("/tmp", "/dev/shm"):
        # One for each run covers this one, of the size that the competition allows.
        line += ["--size", str(policy.MIB), "--tmpfs", place]
    line += ["--perms", "0755", "--tmpfs", policy.INPUTS]  # filled and shut by the zygote
    # After /tmp, where a checkout and its environment may lie; and what lies below comes later.
    for source, place in sorted(binds.items(), key=lambda bind: len(Path(bind[1]).parts)):
        line += ["--ro-bind", source, place, *_covers([place])]
    for place, descriptor in copied.items():
        line += ["--perms", "0444", "--file", str(descriptor), place]
    return [*line, "--remount-ro", "/", "--chdir", "/tmp", "--"]
