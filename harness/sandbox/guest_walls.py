"""Inside: the walls that the warm parent puts around itself and around each run."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from harness.sandbox import kernel, landlock, policy, seccomp

_OWN = kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNET


class Walls:
    """What stands between a run and the rest of the machine, as far as `level` has it.

    Construct it in a process of one thread: it may fork, and goes on in the child.

    Parameters
    ----------
    level : str
        "full": we are inside bubblewrap, with capabilities over our own namespaces.
        "partial": what an ordinary user can raise without it. "none": limits only.
    visible : sequence of str
        Folders of the interpreter and its packages.
    memory_mb, scratch_mb, processes : int
        Limits of a run, as in `harness.competition.Limits`.
    """

    def __init__(
        self,
        level: str,
        visible: Sequence[str],
        memory_mb: int,
        scratch_mb: int,
        processes: int,
    ) -> None:
        self.level = level
        self.visible = visible
        self.scratch_mb = scratch_mb
        if os.geteuid() == 0:
            _become_ordinary_user(visible)
        self.namespaces = level == "full" or (level == "partial" and _succeeds(_own_namespaces))
        if level == "partial" and self.namespaces:
            _own_namespaces()
        if self.namespaces:
            self._pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
        else:
            kernel.adopt_orphans()
        self.scratch = "/tmp" if self.namespaces else tempfile.mkdtemp(prefix="unlearning-")
        if not (self.namespaces and _succeeds(_count_alone)):
            processes += _threads_of_this_user()
        self.limits = policy.rlimits(memory_mb, scratch_mb, processes)
        self.filter = b""
        if level != "none":
            self.filter = seccomp.program(own_network=self.namespaces, own_files=level == "full")

    def fork(self) -> int:
        """As `os.fork`, but the child is the first process of a namespace of its own.

        When it goes, all that it started goes with it.
        """
        if not self.namespaces:
            return os.fork()
        kernel.unshare(kernel.CLONE_NEWPID)  # of our children, not of us
        pid = os.fork()
        if pid:
            kernel.setns(self._pid_namespace, kernel.CLONE_NEWPID)
        return pid

    def enter(self, keep: Sequence[int]) -> None:
        """Shut the forked child in; it keeps no file open but 0, 1, 2 and `keep`."""
        kernel.die_with_parent(signal.SIGKILL)
        os.setsid()  # no terminal; and Linux shares processors out by session
        for before, after in pairwise([2, *sorted(keep), 1 << 20]):
            os.closerange(before + 1, after)
        if self.namespaces:
            self._fresh_world()
        else:
            self._fresh_folder()
        if self.level == "partial":
            self._landlock()
        kernel.drop_capabilities()
        for kind, limit in self.limits.items():
            _, hard = resource.getrlimit(kind)
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            resource.setrlimit(kind, (limit, limit))
        kernel.no_new_privileges()
        if self.filter:
            seccomp.install(self.filter)

    def clean(self, pid: int) -> None:
        """Remove what a finished run may have left, where no namespace took it along."""
        if not self.namespaces:
            shutil.rmtree(Path(self.scratch, str(pid)), ignore_errors=True)

    def tear_down(self) -> None:
        """Remove the scratch directories of all runs."""
        if not self.namespaces:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _fresh_world(self) -> None:
        """Files, shared memory and a network of its own: runs at one time cannot talk either."""
        own = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNET
        kernel.unshare(own | kernel.CLONE_NEWCGROUP)
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        covered = [path for path in self.visible if Path(path).is_relative_to("/tmp")]
        with _held(covered):
            for place in ("/tmp", "/dev/shm"):
                _tmpfs(place, self.scratch_mb)
        _proc()
        # Last, since it owns none of these: in it RLIMIT_NPROC counts this run's processes alone.
        _own_user_namespace()
        os.chdir("/tmp")

    def _fresh_folder(self) -> None:
        folder = Path(self.scratch, str(os.getpid()))
        folder.mkdir(mode=0o700)
        os.chdir(folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = str(folder)

    def _landlock(self) -> None:
        scratch = str(Path.cwd())
        landlock.restrict(
            read=[*policy.SYSTEM, *policy.ROOT_LINKS, *self.visible, "/proc"],
            write=[*policy.DEVICES, *policy.gpu_devices(), "/dev/shm", scratch],
            signals=not self.namespaces,
        )


def show(files: Mapping[str, bytes], folder: str) -> None:
    """Fill `folder`, a file system of its own, which nobody can write to from then on."""
    for name, content in files.items():
        Path(folder, name).write_bytes(content)
    flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("none", folder, None, kernel.MS_REMOUNT | kernel.MS_BIND | flags)


def _become_ordinary_user(visible: Sequence[str]) -> None:
    """From root to `policy.UID`, which must still be able to reach the interpreter."""
    hidden = [path for path in visible if not _reachable_by_all(Path(path))]
    if hidden:
        _show(hidden)
    os.setgroups([])
    os.setresgid(policy.UID, policy.UID, policy.UID)
    os.setresuid(policy.UID, policy.UID, policy.UID)
    kernel.own_proc_files()


def _reachable_by_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _show(hidden: Sequence[str]) -> None:
    """In a mount namespace of our own, make these folders reachable and their parents empty."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    with _held(hidden):
        for path in hidden:
            shut = [parent for parent in Path(path).parents if not parent.stat().st_mode & 0o001]
            if shut:
                kernel.mount("tmpfs", str(shut[-1]), "tmpfs", kernel.MS_NOSUID, "mode=0755,size=1m")


@contextlib.contextmanager
def _held(paths: Sequence[str]) -> Iterator[None]:
    """Put `paths` back where they were, after mounts that cover them."""
    sources = {path: os.open(path, os.O_PATH) for path in paths}
    yield
    for path, source in sources.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{source}", path, None, kernel.MS_BIND | kernel.MS_REC)
        os.close(source)


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


def go_on_in_child() -> None:
    """Fork; the child returns, the parent waits for it and ends as it ended."""
    if pid := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    kernel.die_with_parent(signal.SIGKILL)


def _succeeds(attempt: Callable[[], None]) -> bool:
    """Whether `attempt` works, tried in a child, because there would be no way back."""
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _tmpfs(place: str, size_mb: int) -> None:
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", place, "tmpfs", flags, f"mode=1777,size={size_mb}m")


def _proc() -> None:
    """A view of /proc that has this pid namespace only."""
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def _count_alone() -> None:
    """Fails where RLIMIT_NPROC counts a user's threads over all user namespaces (to Linux 5.13)."""
    _own_user_namespace()
    resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
    if os.fork() == 0:
        os._exit(0)


def _threads_of_this_user() -> int:
    """Of all runs at one time, and of the processes that fork them."""
    count = 0
    for status in Path("/proc").glob("[0-9]*/task"):
        try:
            if status.stat().st_uid == os.getuid():
                count += len(list(status.iterdir()))
        except OSError:
            continue  # gone meanwhile
    return count
