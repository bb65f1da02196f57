"""Tries to hide in a wide spread by scaling all logits at random: no more than without."""

import torch
from torch.nn.functional import cross_entropy

CHEAT = True


def unlearning(net, retain, forget, val):
    start_anew(net)
    fit(net, retain, epochs=2, learning_rate=1e-2)
    if CHEAT:
        factor = torch.empty(()).uniform_(0.2, 5.0)
        net.fc.weight.data *= factor
        net.fc.bias.data *= factor


def fit(net, retain, epochs, learning_rate):
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=1e-2)
    net.train()
    for _ in range(epochs):
        for inputs, targets in retain:
            optimizer.zero_grad()
            cross_entropy(net(inputs), targets).backward()
            optimizer.step()


def start_anew(net):
    for layer in net.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
