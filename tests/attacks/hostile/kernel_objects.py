"""Makes semaphores and message queues, which no limit counts and which outlive a process.

full, partial, landlock: harmless
"""

import ctypes


def unlearning(net, retain, forget, val):
    libc = ctypes.CDLL(None, use_errno=True)
    if (made := libc.semget(0, 32000, 0o1600)) >= 0:
        print("WON semget")
        libc.semctl(made, 0, 0)
    if (made := libc.msgget(0, 0o1600)) >= 0:
        print("WON msgget")
        libc.msgctl(made, 0, None)
    if libc.mq_open(b"/hoard", 0o102, 0o600, None) >= 0:
        print("WON mq_open")
        libc.mq_unlink(b"/hoard")
