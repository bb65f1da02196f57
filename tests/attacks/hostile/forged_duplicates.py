"""Sends weights in which each name stands twice.

full, partial, landlock, none: sandbox_violation
"""

import os

from safetensors.torch import save


def unlearning(net, retain, forget, val):
    good = save(net.state_dict())
    size = int.from_bytes(good[:8], "little")
    header = good[8 : 8 + size].rstrip()
    twice = header[:-1] + b"," + header[1:]
    os.write(3, b"W" + len(twice).to_bytes(8, "little") + twice + good[8 + size :])
    os._exit(0)
