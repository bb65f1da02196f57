"""Changes mode, times and attributes of the host's files, which no rule about contents guards.

full, partial, landlock: harmless
"""

import contextlib
import os

import target


def unlearning(net, retain, forget, val):
    path = target.canary
    for change in (
        lambda: os.chmod(path, 0o600),
        lambda: os.utime(path, (0, 0)),
        lambda: os.setxattr(path, "user.evil", b"run 1"),
        lambda: os.chmod(os.open(os.path.dirname(path), os.O_PATH), 0),
    ):
        with contextlib.suppress(OSError):
            change()
    with contextlib.suppress(OSError):
        found = os.stat(path)
        if found.st_mode & 0o777 != target.mode or found.st_mtime < 1:
            print("WON", oct(found.st_mode), found.st_mtime)
        if "user.evil" in os.listxattr(path):
            print("WON attribute")
