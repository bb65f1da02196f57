"""Starts threads until it may no more, and returns while they run.

full, partial, none: harmless
"""

import threading
import time

import target


def unlearning(net, retain, forget, val):
    count = 0
    try:
        while count < 1000:
            threading.Thread(target=time.sleep, args=[1000]).start()
            count += 1
    except RuntimeError:
        pass
    if count > target.processes:
        print("WON", count)
