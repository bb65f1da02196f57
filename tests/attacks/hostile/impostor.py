"""Returns a model whose weights are objects with code of their own.

full, partial, landlock, none: invalid_weights
"""

import torch


class Evil(torch.nn.Module):
    def state_dict(self, *_, **__):
        return {"fc.weight": self}

    def __reduce__(self):
        return print, ("WON",)


def unlearning(net, retain, forget, val):
    return Evil()
