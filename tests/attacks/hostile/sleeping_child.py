"""Waits for a child that never ends, so that the time limit has to reach both.

full, partial, landlock, none: timeout
"""

import os
import time

import target


def unlearning(net, retain, forget, val):
    if os.fork() == 0:
        target.mark()
        os.setsid()
        time.sleep(1000)
    os.wait()
