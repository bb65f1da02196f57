"""Leaves files for the next run wherever it can write.

full, partial: harmless
runs: 2
"""

import os
import tempfile


def unlearning(net, retain, forget, val):
    folders = (".", "/tmp", "/dev/shm", "/var/tmp", tempfile.gettempdir(), os.path.expanduser("~"))
    for folder in {os.path.realpath(folder) for folder in folders}:
        path = os.path.join(folder, "evil-trace")
        if os.path.exists(path):
            print("WON", path)
        try:
            with open(path, "w"):
                pass
        except OSError:
            pass
