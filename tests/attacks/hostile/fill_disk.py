"""Fills the disk with many files, each within the limit of one.

full, partial: harmless
"""

import os

import target


def unlearning(net, retain, forget, val):
    for folder in ("/tmp", "/dev/shm", "/var/tmp", target.writable):
        written = 0
        try:
            os.makedirs(os.path.join(folder, "many"), exist_ok=True)
            for number in range(100):
                with open(os.path.join(folder, "many", str(number)), "wb") as file:
                    written += file.write(bytes(1 << 20))
        except OSError:
            pass
        if written > target.scratch_mb << 20:
            print("WON", folder, written)
