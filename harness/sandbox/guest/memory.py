"""Inside: what memory a run takes, over all its processes."""

from __future__ import annotations

from pathlib import Path


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


def used_mb(pid: int, limit_mb: float) -> float:
    """Memory of `pid` and its descendants in MiB.

    The quick figure counts a page once for every process that shares it. Only where that is
    above the limit are pages shared out, which takes the kernel milliseconds.
    """
    tree = _descendants(pid)
    quick = sum(_kilobytes(p, "status", ("RssAnon:", "RssShmem:")) for p in tree) / 1024
    if quick <= limit_mb:
        return quick
    exact = sum(_kilobytes(p, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for p in tree) / 1024
    # A process that cannot be looked into has to make do with the quick figure.
    return exact or quick


def _descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    todo = [pid]
    while todo:
        found.add(process := todo.pop())
        todo += children.get(process, [])
    return found


def _kilobytes(pid: int, file: str, fields: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0  # gone meanwhile
    return sum(int(line.split()[1]) for line in lines if line.startswith(fields))
