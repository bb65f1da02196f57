"""Leaves a daemon behind.

full, partial, landlock, none: harmless
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        target.mark()
        os.closerange(0, 100)
        time.sleep(1000)
    os.wait()
