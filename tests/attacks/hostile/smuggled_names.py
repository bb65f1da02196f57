"""Returns the weights and, under a name of its own, something more.

full, partial, landlock, none: invalid_weights
"""

import torch


def unlearning(net, retain, forget, val):
    net.register_buffer("smuggled", torch.arange(1000))
