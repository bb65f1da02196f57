"""Signals the evaluator, its parent, and everything that can be signalled.

full, partial, landlock: harmless
"""

import os
import signal

import target


def unlearning(net, retain, forget, val):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # In a container both may be process 1, each in its own namespace.
    for pid in {target.evaluator, os.getppid()} - {os.getpid()}:
        try:
            os.kill(pid, 0) if pid else None
            print("WON", pid) if pid else None
        except OSError:
            pass
    try:
        os.kill(-1, signal.SIGKILL)
    except OSError:
        pass
