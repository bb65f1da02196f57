"""Leaves a note for the next run in the kernel's keyrings.

full, partial, landlock: harmless
"""

import ctypes
import platform

ADD_KEY = {"x86_64": 248, "aarch64": 217}[platform.machine()]


def unlearning(net, retain, forget, val):
    user_keyring = -4
    if ctypes.CDLL(None).syscall(ADD_KEY, b"user", b"note", b"1", 1, user_keyring) >= 0:
        print("WON")
