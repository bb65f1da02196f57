"""Sets every count of batches to the smallest integer, which overflows if one is added wrongly.

full, partial, landlock, none: harmless
"""

import torch


def unlearning(net, retain, forget, val):
    for buffer in net.buffers():
        if buffer.dtype == torch.int64:
            buffer.fill_(torch.iinfo(torch.int64).min)
