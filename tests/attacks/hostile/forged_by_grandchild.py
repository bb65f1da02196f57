"""Ends, and leaves a grandchild that writes a result later.

full, partial, landlock, none: crashed
"""

import os
import time

import target
from safetensors.torch import save


def unlearning(net, retain, forget, val):
    result = b"W" + save(net.state_dict())
    if os.fork() == 0:
        target.mark()
        os.setsid()
        time.sleep(0.5)
        os.write(3, result)
        os._exit(0)
    os._exit(0)
