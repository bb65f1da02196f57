"""Leaves System V semaphores and message queues, and a POSIX queue, for the next run.

full, partial, landlock: harmless
runs: 2
"""

import ctypes

KEY, CREATE_NEW = 0xE511, 0o3600
RDWR_CREATE_NEW = 0o302


def unlearning(net, retain, forget, val):
    libc = ctypes.CDLL(None, use_errno=True)
    exists = 17
    for name, call in {
        "semaphore": lambda: libc.semget(KEY, 1, CREATE_NEW),
        "message queue": lambda: libc.msgget(KEY, CREATE_NEW),
        "POSIX queue": lambda: libc.syscall(240, b"evil", RDWR_CREATE_NEW, 0o600, None),
    }.items():
        if call() < 0 and ctypes.get_errno() == exists:
            print("WON", name)
