"""Sends weights of the right names that all lie in the same bytes.

full, partial, landlock, none: sandbox_violation
"""

import json
import os


def unlearning(net, retain, forget, val):
    kinds = {"float32": ("F32", 4), "int64": ("I64", 8)}
    header = {}
    for name, tensor in net.state_dict().items():
        kind, size = kinds[str(tensor.dtype).removeprefix("torch.")]
        end = tensor.numel() * size
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [0, end]}
    text = json.dumps(header).encode()
    os.write(3, b"W" + len(text).to_bytes(8, "little") + text + bytes(1 << 14))
    os._exit(0)
