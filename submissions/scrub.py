"""SCRUB: a student that obeys its teacher on retain and defies it on forget (Kurmanji et al. 2023).

The original model is the teacher. *Max* epochs drive the student's answers on the forget set
away from the teacher's; *min* epochs keep it to the teacher and to the labels on the retain set.
A min epoch always comes last, to mend what the others have harmed. (The paper's rewinding, for
membership attacks, picks a checkpoint by the forget set's error and is left out.)

Hyperparameters
---------------
EPOCHS : min epochs, passes over the retain set.
MAX_EPOCHS : how many of them a max epoch, a pass over the forget set, comes before.
AGREEMENT, LABELS : alpha and gamma, weights of the divergence from the teacher and the label loss.
TEMPERATURE : of the divergences.
LEARNING_RATE : of Adam on retain batches; MAX_LEARNING_RATE on forget batches.
"""

import copy

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

EPOCHS = 1
MAX_EPOCHS = 1
AGREEMENT = 0.5
LABELS = 1.0
TEMPERATURE = 4.0
LEARNING_RATE = 3e-3
MAX_LEARNING_RATE = 1e-2


def unlearning(net, retain, forget, val):
    teacher = copy.deepcopy(net).eval()
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    net.train()
    for epoch in range(EPOCHS):
        if epoch < MAX_EPOCHS:
            train(net, teacher, optimizer, forget, MAX_LEARNING_RATE, defiance)
        train(net, teacher, optimizer, retain, LEARNING_RATE, obedience)
    net.eval()


def train(net, teacher, optimizer, loader, learning_rate, objective):
    device = next(net.parameters()).device
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    for inputs, targets in loader:
        inputs, targets = inputs.to(device), targets.to(device)
        with torch.no_grad():
            taught = teacher(inputs)
        loss = objective(net(inputs), taught, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def defiance(logits, taught, targets):
    return -divergence(logits, taught)


def obedience(logits, taught, targets):
    return AGREEMENT * divergence(logits, taught) + LABELS * cross_entropy(logits, targets)


def divergence(logits, taught):
    """Divergence of the softened answers of student and teacher; the square keeps its scale."""
    student, teacher = log_softmax(logits / TEMPERATURE, 1), log_softmax(taught / TEMPERATURE, 1)
    return TEMPERATURE**2 * kl_div(student, teacher, reduction="batchmean", log_target=True)
