"""Inside: what memory a run takes, over all its processes, and how much the machine has left."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from harness.sandbox.walls.policy import MIB

_FEW = 64  # open files of a process that are not worth a look


class Machine(NamedTuple):
    """What the kernel says of the whole machine, in MiB."""

    total: float
    available: float
    shared: float

    @classmethod
    def now(cls) -> Machine:
        """Read it."""
        lines = Path("/proc/meminfo").read_text().splitlines()
        table = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
        return cls(table["MemTotal"], table["MemAvailable"], table["Shmem"])


def parents() -> dict[int, int]:
    """The parent of every process that we can see."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything, brackets included.
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # gone meanwhile
    return found


def used_mb(roots: Collection[int], limit_mb: float, socket_kb: int, hidden_mb: float = 0) -> float:
    """Memory of `roots` and their descendants in MiB.

    The quick figure counts a page once for every process that shares it. Only where that is
    above the limit are pages shared out, which takes the kernel milliseconds.

    Parameters
    ----------
    limit_mb : float
        Below it the quick figure will do.
    socket_kb : int
        What to count for each socket.
    hidden_mb : float
        How much shared memory the machine has that nobody seems to map; what of it these processes
        hold counts too.
    """
    tree = _descendants(roots)
    figures = [_kilobytes(pid, socket_kb) for pid in tree]
    own, shared, kernels = map(sum, zip(*figures, strict=True))
    quick = own + shared + kernels
    hidden = max(0.0, min(hidden_mb, _shared_mb(tree) - shared / 1024)) if hidden_mb > 0 else 0.0
    if quick / 1024 + hidden <= limit_mb:
        return quick / 1024 + hidden
    exact = sum(kb for p in tree for kb in _fields(p, "smaps_rollup", "Pss_Anon", "Pss_Shmem"))
    # For processes that cannot be looked into, the quick figure must do.
    return ((exact + kernels) if exact else quick) / 1024 + hidden


def _descendants(roots: Collection[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    todo = [*roots]
    while todo:
        found.add(process := todo.pop())
        todo += children.get(process, [])
    return found


def _kilobytes(pid: int, socket_kb: int) -> tuple[int, int, int]:
    """A process's memory: private, shared, and the kernel's for page tables and full sockets."""
    own, shared, tables = _fields(pid, "status", "RssAnon", "RssShmem", "VmPTE")
    return own, shared, tables + socket_kb * _sockets(pid)


def _sockets(pid: int) -> int:
    descriptors = _open_files(pid)
    if len(descriptors) <= _FEW:
        return 0
    return sum(_link(path).startswith("socket:") for path in descriptors)


def _shared_mb(tree: Collection[int]) -> float:
    """The size of all the nameless shared memory that these processes map or hold open."""
    sizes: dict[str, int] = {}
    for pid in tree:
        for line in _lines(pid, "maps"):
            addresses, _, offset, _, inode, *name = line.split(maxsplit=5)
            if name and name[0].startswith(("/dev/zero", "/memfd:")):
                first, last = (int(address, 16) for address in addresses.split("-"))
                size = int(offset, 16) + last - first
                sizes[inode] = max(sizes.get(inode, 0), size)
        for path in _open_files(pid):
            if _link(path).startswith("/memfd:"):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    inode, held = str(status.st_ino), status.st_blocks * 512
                    sizes[inode] = max(sizes.get(inode, 0), held)
    return sum(sizes.values()) / MIB


def _open_files(pid: int) -> list[Path]:
    try:
        return [*Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []  # gone meanwhile, or it cannot be looked into


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _fields(pid: int, file: str, *names: str) -> list[int]:
    """Figures of a process, 0 where there are none."""
    table = dict(line.split(":", 1) for line in _lines(pid, file) if ":" in line)
    return [int(table.get(name, "0").split()[0]) for name in names]


def _lines(pid: int, file: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return []  # gone meanwhile
