"""Noise on a few random layers, again and again: the challenge's 7th place (2023).

The head starts again and the whole network is fine-tuned to it. Then rounds follow: each chooses
some layers by chance, puts noise on most of them, and trains these layers and the batch norms
alone, while the others stay. The choice makes runs differ, and the noise makes them forget. At the
end the whole network is fine-tuned. The forget set is not used at all.

The method is described in sunkroos's write-up, kaggle.com/competitions/
neurips-2023-machine-unlearning/discussion/459095 (eighth on the private leaderboard, seventh after
a disqualification). The settings of its notebook, by its public port: 1 + 4 + 4 epochs for the
three stages, 9 tensors of a ResNet-18 chosen in a round, which is CHOSEN, NOISY 0.7, MOMENTUM 0.9,
WEIGHT_DECAY 5e-4. The nine epochs are made shorter here: EPOCHS is for all of them. The noise has
a standard deviation of 0.04 there, in proportion to the tensor's own here, as the layers of small
networks have larger weights. EPOCHS, NOISE and LEARNING_RATE (2e-4 to 1e-3 there) were adapted, by
a rough search on `digits` with another seed, where a fifth of a retraining's time is two passes.

Hyperparameters
---------------
STAGES : parts of the training for the new head, for the rounds, and for the whole at the end.
ROUNDS : of noise.
CHOSEN : share of the convolutions and linear layers that a round trains, at least one.
NOISY : share of the chosen layers that get noise, at least one.
NOISE : its standard deviation, over that of the layer's weights.
EPOCHS : passes over the retain set in all.
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY : of SGD; the rate is constant within a stage.
LAST_RATE : learning rate of the last stage, which falls along a cosine.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

STAGES = (1, 4, 4)
ROUNDS = 4
CHOSEN = 1 / 3
NOISY = 0.7
NOISE = 1.0
EPOCHS = 2
LEARNING_RATE = 1e-2
LAST_RATE = 1e-2
WEIGHT_DECAY = 1e-2


def unlearning(net, retain, forget, val):
    head, rounds, last = (round(EPOCHS * len(retain) * part / sum(STAGES)) for part in STAGES)
    batches = endless(retain)
    net.train()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    layers[-1].reset_parameters()
    train(net, net.parameters(), batches, head, LEARNING_RATE)
    for _ in range(ROUNDS):
        chosen = choose(layers)
        add_noise(chosen[: max(1, int(NOISY * len(chosen)))])
        train(net, trained(net, chosen), batches, round(rounds / ROUNDS), LEARNING_RATE)
    train(net, net.parameters(), batches, last, LAST_RATE)
    net.eval()


def choose(layers):
    """Some of the layers, in random order."""
    count = max(1, round(CHOSEN * len(layers)))
    return [layers[i] for i in torch.randperm(len(layers))[:count]]


@torch.no_grad()
def add_noise(layers):
    for layer in layers:
        deviation = NOISE * layer.weight.std(correction=0)
        layer.weight += deviation * torch.randn_like(layer.weight)


def trained(net, chosen):
    """The parameters of the chosen layers and of what normalises."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.LayerNorm)]
    return [p for layer in [*chosen, *norms] for p in layer.parameters()]


def train(net, parameters, batches, steps, rate):
    """Fine-tune these parameters for some steps."""
    device = next(net.parameters()).device
    optimizer = torch.optim.AdamW(parameters, rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    for _, (inputs, targets) in zip(range(steps), batches, strict=False):
        loss = cross_entropy(net(inputs.to(device)), targets.to(device))
        net.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def endless(loader):
    while True:
        yield from loader
