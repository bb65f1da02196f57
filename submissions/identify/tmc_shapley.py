"""Data Shapley by truncated Monte Carlo (Ghorbani and Zou 2019), on the last layer.

An example's Shapley value is what it adds to the last layer's performance when it joins those
before it in a random order, mean over orders. An order is cut where the performance has come near
that of the whole training set. The layer is refitted each time, exactly and cheaply: as a ridge
regression of the labels, one-hot, on its inputs, which one more example changes by a rank of one
(Sherman and Morrison). Performance is the mean score of the true labels of the failures and the
validation set. The returned score is minus the value: above zero does harm.

Hyperparameters
---------------
ORDERS : random orders, which go side by side.
RIDGE : the regression's penalty.
TOLERANCE : how near is near, as a fraction of the whole training set's performance.
"""

import torch
from torch import nn
from torch.nn.functional import one_hot, pad

ORDERS = 64
RIDGE = 1.0
TOLERANCE = 0.01
SIGNED = True  # forget all examples with a score above zero


@torch.no_grad()
def identify(net, train, failures, val):
    net.eval()
    inputs, labels = features(net, train)
    pairs = zip(features(net, failures), features(net, val), strict=True)
    asked, true = (torch.cat(pair) for pair in pairs)
    targets = one_hot(labels, int(max(labels.max(), true.max())) + 1).double()
    truth = one_hot(true, targets.shape[1]).double()
    return -shapley(inputs, targets, asked, truth)


def shapley(inputs, targets, asked, truth):
    """Values [n] of training examples, from inputs [n, d], [m, d] and one-hot labels."""
    count, width = inputs.shape
    whole = torch.linalg.solve(
        inputs.T @ inputs + RIDGE * torch.eye(width, dtype=inputs.dtype), inputs.T @ targets
    )
    goal = performance(whole[None], asked, truth)
    orders = torch.stack([torch.randperm(count) for _ in range(ORDERS)], dim=1)
    inverse = torch.eye(width, dtype=inputs.dtype).repeat(ORDERS, 1, 1) / RIDGE
    weights = torch.zeros(ORDERS, width, targets.shape[1], dtype=inputs.dtype)
    before = torch.zeros(ORDERS, dtype=inputs.dtype)
    values = torch.zeros(count, dtype=inputs.dtype)
    open_ = torch.ones(ORDERS, dtype=torch.bool)
    for joining in orders:
        x, y = inputs[joining], targets[joining]
        gain = (inverse @ x[:, :, None]).squeeze(2)
        gain = gain / (1 + (x * gain).sum(1, keepdim=True)).sqrt()
        inverse -= gain[:, :, None] * gain[:, None, :]
        surprise = y - torch.einsum("od,odc->oc", x, weights)
        weights += torch.einsum("ode,oe,oc->odc", inverse, x, surprise)
        after = performance(weights, asked, truth)
        values.index_add_(0, joining, torch.where(open_, after - before, 0.0))
        open_ &= (after - goal).abs() > TOLERANCE * goal.abs()
        before = after
        if not open_.any():
            break
    return values / ORDERS


def performance(weights, asked, truth):
    """Mean score [o] that each of the layers [o, d, c] gives to the true labels."""
    return torch.einsum("md,odc,mc->o", asked, weights, truth) / len(asked)


def features(net, loader):
    """What the last linear layer gets for each example, with a 1, and the labels."""
    *_, head = (layer for layer in net.modules() if isinstance(layer, nn.Linear))
    device = next(net.parameters()).device
    found, labels = [], []
    handle = head.register_forward_pre_hook(lambda layer, inputs: found.append(inputs[0].cpu()))
    for inputs, targets in loader:
        net(inputs.to(device))
        labels.append(targets)
    handle.remove()
    return pad(torch.cat(found).double(), (0, 1), value=1.0), torch.cat(labels)
