"""Becomes root, raises its limits, takes back its capabilities.

full, partial, landlock, none: harmless
"""

import ctypes
import os
import resource
import subprocess


def unlearning(net, retain, forget, val):
    if 0 in (os.getuid(), os.geteuid(), os.getgid()):
        print("WON", os.getresuid())
    for attempt in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chroot("/")):
        try:
            attempt()
            print("WON")
        except OSError:
            pass
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (1 << 20, 1 << 20))
        print("WON a limit")
    except (OSError, ValueError):
        pass
    # su and its like are set-uid: with no_new_privs they stay who they were.
    done = subprocess.run(["sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True)
    if done.returncode == 0 or ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) != 1:
        print("WON privileges")
