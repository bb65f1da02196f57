"""From root to an ordinary user, who must still reach the interpreter."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.sandbox.walls import kernel, policy


def become_ordinary_user(visible: Sequence[str]) -> None:
    """From root to `policy.UID`, who must still be able to reach the folders of the interpreter."""
    if os.geteuid():
        return
    hidden = [path for path in visible if not _reachable_by_all(Path(path))]
    if hidden:
        _show(hidden)
    os.setgroups([])
    os.setresgid(policy.UID, policy.UID, policy.UID)
    os.setresuid(policy.UID, policy.UID, policy.UID)
    kernel.own_proc_files()


@contextlib.contextmanager
def held(paths: Sequence[str]) -> Iterator[None]:
    """Put `paths` back where they were, after mounts that cover them."""
    sources = {path: os.open(path, os.O_PATH) for path in paths}
    yield
    for path, source in sources.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{source}", path, None, kernel.MS_BIND | kernel.MS_REC)
        os.close(source)


def _reachable_by_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _show(hidden: Sequence[str]) -> None:
    """In a mount namespace of our own, make these folders reachable and their parents empty."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    with held(hidden):
        for path in hidden:
            shut = [parent for parent in Path(path).parents if not parent.stat().st_mode & 0o001]
            if shut:
                kernel.mount("tmpfs", str(shut[-1]), "tmpfs", kernel.MS_NOSUID, "mode=0755,size=1m")
