"""Starts threads until it may no more, and returns while they run.

full, partial, none: harmless
"""

import os
import threading
import time

import target


def unlearning(net, retain, forget, val):
    count = 0
    try:
        while count < 5000:
            threading.Thread(target=time.sleep, args=[1000]).start()
            count += 1
    except RuntimeError:
        pass
    # Without a namespace of its own, the limit is one for all that the user runs.
    if count > (target.processes if os.getpid() == 1 else 4000):
        print("WON", count)
