"""Walls of namespaces, with Landlock for the files: what an ordinary user can raise alone."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Sequence
from pathlib import Path

from harness.sandbox.walls import gpu, kernel, policy, seccomp
from harness.sandbox.walls.forks import go_on_in_child, succeeds
from harness.sandbox.walls.landlock import confine
from harness.sandbox.walls.plain import InCheckout
from harness.sandbox.walls.restrict import let_go, restrict, threads_of_this_user
from harness.sandbox.walls.user import become_ordinary_user, held

_OWN = kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNET


class InNamespaces:
    """Each run the first process of a namespace of its own, in a world of its own."""

    contained = True
    fixed_buffers = True

    def __init__(
        self, visible: Sequence[str], memory_mb: int, scratch_mb: int, processes: int
    ) -> None:
        self.scratch = "/tmp"
        self._visible = visible
        self._scratch_mb = scratch_mb
        self._pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
        if not succeeds(_count_alone):
            processes += threads_of_this_user()
        self._limits = policy.rlimits(memory_mb, scratch_mb, processes)

    def fork(self) -> int:
        """When the child goes, all that it started goes with it."""
        kernel.unshare(kernel.CLONE_NEWPID)  # of our children, not of us
        pid = os.fork()
        if pid:
            kernel.setns(self._pid_namespace, kernel.CLONE_NEWPID)
        return pid

    def clean(self, pid: int) -> None:
        """Its namespaces took along what it left."""

    def tear_down(self) -> None:
        """As `clean`."""

    def _enter_own_world(self, keep: Sequence[int]) -> None:
        """Files, shared memory and a network of its own: runs at one time cannot talk either."""
        let_go(keep)
        own = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNET
        kernel.unshare(own | kernel.CLONE_NEWCGROUP)
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        covered = [path for path in self._visible if Path(path).is_relative_to("/tmp")]
        with held(covered):
            for place in ("/tmp", "/dev/shm"):
                _tmpfs(place, self._scratch_mb)
        # CUDA's driver reads /proc/driver and /proc/devices.
        _proc(processes_only=not gpu.devices())
        # Last, since it owns none of these: in it RLIMIT_NPROC counts this run's processes alone.
        _own_user_namespace()
        os.chdir("/tmp")


class Namespaces(InNamespaces, InCheckout):
    """Server and runs in namespaces; files outside are hidden by Landlock, not absent."""

    name = "namespaces"
    level = "partial"

    def __init__(
        self, visible: Sequence[str], memory_mb: int, scratch_mb: int, processes: int
    ) -> None:
        become_ordinary_user(visible)
        _own_namespaces()
        super().__init__(visible, memory_mb, scratch_mb, processes)
        self._filter = seccomp.program(own_network=True, own_files=False, gpu=bool(gpu.devices()))

    def enter(self, keep: Sequence[int]) -> None:
        self._enter_own_world(keep)
        confine(self._visible, signals=False)
        restrict(self._limits, self._filter)


def _own_namespaces() -> None:
    """User, pid, mount, ipc and network namespaces of our own; goes on in a forked child."""
    _own_user_namespace()
    kernel.unshare(_OWN)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    go_on_in_child()
    _proc()


def _own_user_namespace() -> None:
    """One in which we have the same name, and every capability."""
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _tmpfs(place: str, size_mb: int) -> None:
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    # Each file takes the kernel memory, an empty one too.
    limits = f"mode=1777,size={size_mb}m,nr_inodes={policy.FILES}"
    kernel.mount("tmpfs", place, "tmpfs", flags, limits)


def _proc(processes_only: bool = False) -> None:
    """A view of /proc that has this pid namespace only, perhaps without the machine's counters."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    if processes_only:
        with contextlib.suppress(OSError):  # before Linux 5.8
            kernel.mount("proc", "/proc", "proc", flags, "subset=pid")
            return
    kernel.mount("proc", "/proc", "proc", flags)


def _count_alone() -> None:
    """Fails where RLIMIT_NPROC counts a user's threads over all user namespaces (to Linux 5.13)."""
    _own_user_namespace()
    resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
    if os.fork() == 0:
        os._exit(0)
