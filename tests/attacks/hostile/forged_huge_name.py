"""Writes the result itself, with one tensor whose name is control characters without an end.

full, partial, landlock, none: invalid_weights
"""

import json
import os


def unlearning(net, retain, forget, val):
    tensor = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps({"\x01\u202e" * 40_000: tensor}).encode()
    message = b"W" + len(text).to_bytes(8, "little") + text
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(3, rest) :]
    os._exit(0)
