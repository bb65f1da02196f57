"""Writes the result itself, with a type of weights whose name has megabytes of markup.

full, partial, landlock, none: invalid_weights
"""

import json
import os


def unlearning(net, retain, forget, val):
    header, end = {}, 0
    for name, value in net.state_dict().items():
        start, end = end, end + value.numel() * value.element_size()
        dtype = "F32" if value.is_floating_point() else "I64"
        shape = list(value.shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    header["fc.bias"]["dtype"] = "<i>\u202e</i>" * 100_000
    text = json.dumps(header).encode()
    message = b"W" + len(text).to_bytes(8, "little") + text + bytes(end)
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(3, rest) :]
    os._exit(0)
