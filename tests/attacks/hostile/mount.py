"""Mounts over what it sees.

full, partial, landlock: sandbox_violation
"""

import ctypes


def unlearning(net, retain, forget, val):
    ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, None)
    print("WON")
