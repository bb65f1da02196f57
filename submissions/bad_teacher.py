"""Bad teaching: a good teacher for retain, an ignorant one for forget (Chundawat et al. 2023).

The student starts as the original model. On retain examples it learns to answer as the original
does, on forget examples as a freshly initialised network does, which knows nothing of them.
Batches hold both kinds, in proportion to how many there are of each.

Hyperparameters
---------------
EPOCHS : passes over the part of the retain set that is used, and the forget set.
SHARE : of the retain set that is used; the paper takes 30 %.
TEMPERATURE : of the divergence from the teachers.
LEARNING_RATE : of Adam.
"""

import copy

import torch
from torch.nn.functional import kl_div, log_softmax
from torch.utils.data import DataLoader, Subset

EPOCHS = 3
SHARE = 0.3
TEMPERATURE = 1.0
LEARNING_RATE = 5e-4


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    good, ignorant = copy.deepcopy(net).eval(), fresh(net).eval()
    batches = mixed_batches(retain, forget)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    net.train()
    for _ in range(EPOCHS):
        for inputs, forgotten in batches:
            inputs, forgotten = inputs.to(device), forgotten.to(device)
            with torch.no_grad():
                taught = torch.where(forgotten[:, None], ignorant(inputs), good(inputs))
            loss = divergence(net(inputs), taught)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()


def fresh(net):
    """A network of the same architecture with new weights."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return net


def mixed_batches(retain, forget):
    """Batches of images, each with a flag that says whether it is to be forgotten."""
    chosen = torch.randperm(len(retain.dataset))[: round(SHARE * len(retain.dataset))]
    kept = Subset(retain.dataset, chosen.tolist())
    flagged = [(i[0], False) for i in kept] + [(i[0], True) for i in forget.dataset]
    return DataLoader(flagged, batch_size=retain.batch_size, shuffle=True)


def divergence(logits, taught):
    student, teacher = log_softmax(logits / TEMPERATURE, 1), log_softmax(taught / TEMPERATURE, 1)
    return kl_div(student, teacher, reduction="batchmean", log_target=True)
