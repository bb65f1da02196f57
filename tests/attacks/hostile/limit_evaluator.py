"""Limits the evaluator's processor time to none, for which the kernel would kill it.

full, partial, landlock: harmless
"""

import contextlib
import os
import resource

import target


def unlearning(net, retain, forget, val):
    for pid in {target.evaluator, os.getppid()} - {0}:
        with contextlib.suppress(OSError):
            # Who may ask for another's limits may set them too.
            resource.prlimit(pid, resource.RLIMIT_CPU)
            print("WON", pid)
