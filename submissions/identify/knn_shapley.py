"""Data Shapley of a k-nearest-neighbour classifier, exactly (Jia et al. 2019, theorem 1).

The game: training examples vote on each failure and each validation example, K of them, the
nearest in the features of the last layer; what a coalition earns is the mean share of its votes
for the true label. An example's Shapley value follows from its rank by one recursion from the
farthest inwards. The score is minus the value: above zero does harm.

Hyperparameters
---------------
K : neighbours that vote.
"""

import torch
from torch import nn

K = 5
SIGNED = True  # forget all examples with a score above zero


@torch.no_grad()
def identify(net, train, failures, val):
    net.eval()
    near, labels = features(net, train)
    pairs = zip(features(net, failures), features(net, val), strict=True)
    asked, true = (torch.cat(pair) for pair in pairs)
    order = torch.cdist(asked, near).argsort(dim=1)
    values = torch.zeros(order.shape, dtype=torch.float64)
    values.scatter_(1, order, by_rank((labels[order] == true[:, None]).double()))
    return -values.mean(0)


def by_rank(right):
    """Shapley values [m, n] of neighbours in order of distance, from whether each is right."""
    count = right.shape[1]
    last = right[:, -1:] * min(K, count) / (K * count)
    ranks = torch.arange(1, count, dtype=right.dtype)
    steps = (right[:, :-1] - right[:, 1:]) / K * ranks.clamp(max=K) / ranks
    return torch.cat([steps, last], dim=1).flip(1).cumsum(1).flip(1)


def features(net, loader):
    """What the last linear layer gets for each example, and the labels."""
    *_, head = (layer for layer in net.modules() if isinstance(layer, nn.Linear))
    device = next(net.parameters()).device
    found, labels = [], []
    handle = head.register_forward_pre_hook(lambda layer, inputs: found.append(inputs[0].cpu()))
    for inputs, targets in loader:
        net(inputs.to(device))
        labels.append(targets)
    handle.remove()
    return torch.cat(found), torch.cat(labels)
