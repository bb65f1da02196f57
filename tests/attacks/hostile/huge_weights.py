"""Returns weights that are finite, but so large that no output is.

full, partial, landlock, none: harmless
"""

import torch


def unlearning(net, retain, forget, val):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(torch.finfo(parameter.dtype).max)
