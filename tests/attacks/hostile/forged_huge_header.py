"""Sends weights whose header claims to be 1 TiB long.

full, partial, landlock, none: sandbox_violation
"""

import os


def unlearning(net, retain, forget, val):
    os.write(3, b"W" + (1 << 40).to_bytes(8, "little") + b"{}")
    os._exit(0)
