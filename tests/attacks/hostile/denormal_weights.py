"""Returns weights so small that every product of them is slow or zero.

full, partial, landlock, none: harmless
"""

import torch


def unlearning(net, retain, forget, val):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter) * 1e-40)
