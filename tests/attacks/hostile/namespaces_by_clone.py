"""Makes a user namespace with clone instead of unshare.

full, partial, landlock: sandbox_violation
"""

import ctypes
import platform

CLONE = {"x86_64": 56, "aarch64": 220}[platform.machine()]


def unlearning(net, retain, forget, val):
    pid = ctypes.CDLL(None).syscall(CLONE, 0x10000000 | 17, 0, 0, 0, 0)
    if pid >= 0:
        print("WON")
