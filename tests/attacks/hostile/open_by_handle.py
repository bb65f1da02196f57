"""Opens files by inode, past every rule about paths.

full, partial, landlock: sandbox_violation
"""

import ctypes
import platform

OPEN_BY_HANDLE_AT = {"x86_64": 304, "aarch64": 265}[platform.machine()]


def unlearning(net, retain, forget, val):
    ctypes.CDLL(None).syscall(OPEN_BY_HANDLE_AT, 3, ctypes.create_string_buffer(64), 0)
    print("WON")
