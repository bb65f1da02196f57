"""Sends forged weights and then lets the harness send the honest ones.

full, partial, landlock, none: sandbox_violation
"""

import os

import torch
from safetensors.torch import save


def unlearning(net, retain, forget, val):
    forged = {name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()}
    os.write(3, b"W" + save(forged))
