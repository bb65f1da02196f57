"""Noise on a few random layers, again and again: the challenge's 7th place (2023).

The head starts again and the whole network is fine-tuned to it. Then rounds follow: each chooses
some layers by chance, puts noise on most of them, and trains these layers and the batch norms
alone, while the others stay. The choice makes runs differ, and the noise makes them forget. At the
end the whole network is fine-tuned. The forget set is not used at all.

The method is described in sunkroos's write-up, kaggle.com/competitions/
neurips-2023-machine-unlearning/discussion/459095 (eighth on Kaggle's private leaderboard, seventh
in the end). Its settings, by the port of Cadet et al. (2024, arXiv 2410.01276, their RNI): STAGES,
in epochs; ROUNDS, of an epoch each; 9 tensors of a ResNet-18 chosen in a round, about CHOSEN;
NOISY. The noise has a standard deviation of 0.04 there, and one in proportion to the layer's own
weights here, as those of small networks are larger. NOISE and the training (by SGD at 1e-4 to 1e-3
with momentum 0.9 and weight decay 5e-4 there) were adapted, by a rough search on `digits` with
another seed; the nine epochs are nine short stretches here, as a fifth of a retraining's time is
two passes.

Hyperparameters
---------------
STAGES : parts of the training for the new head, for the rounds, and for the whole at the end.
ROUNDS : of noise.
CHOSEN : share of the convolutions and linear layers that a round trains, at least one.
NOISY : share of the chosen layers that get noise, at least one.
NOISE : its standard deviation, over that of the layer's weights.
EPOCHS : passes over the retain set in all.
LEARNING_RATE, WEIGHT_DECAY : of AdamW; the rate falls along a cosine in each stretch.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

STAGES = (1, 4, 4)
ROUNDS = 4
CHOSEN = 1 / 3
NOISY = 0.7
NOISE = 0.5
EPOCHS = 2
LEARNING_RATE = 2e-2
WEIGHT_DECAY = 1e-2


def unlearning(net, retain, forget, val):
    head, rounds, last = (round(EPOCHS * len(retain) * part / sum(STAGES)) for part in STAGES)
    batches = endless(retain)
    net.train()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    layers[-1].reset_parameters()
    train(net, net.parameters(), batches, head)
    for _ in range(ROUNDS):
        chosen = choose(layers)
        add_noise(chosen[: max(1, int(NOISY * len(chosen)))])
        train(net, trained(net, chosen), batches, round(rounds / ROUNDS))
    train(net, net.parameters(), batches, last)
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


def train(net, parameters, batches, steps):
    """Fine-tune these parameters for some steps."""
    device = next(net.parameters()).device
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
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
