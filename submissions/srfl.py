"""sRFL: the first feature blocks learn to give rolled logits on the forget set.

The original model is the teacher. Only the first two feature blocks train. On a forget batch
they learn the teacher's logits rolled along the classes by a random step of -1, 0 or 1, so that
the answers there become unsettled: the Kullback-Leibler divergence from them minus the cosine
similarity to them. On a retain batch they learn the teacher's logits as they are.

Hyperparameters
---------------
BLOCKS : how many feature blocks train: `layer1`, `layer2`, ... in a ResNet.
EPOCHS : passes over the retain set; the forget batches come round as often as that takes.
LEARNING_RATE : of AdamW, falling along a cosine.
FORGET : weight of the forget batch's loss.
"""

import copy
import itertools

import torch
from torch.nn.functional import cosine_similarity, kl_div, log_softmax

BLOCKS = 2
EPOCHS = 1
LEARNING_RATE = 1e-3
FORGET = 1.0


def unlearning(net, retain, forget, val):
    teacher = copy.deepcopy(net).eval()
    blocks = feature_blocks(net)
    net.eval()  # the running statistics of all other blocks stay as they are, too
    for block in blocks:
        block.train()
    parameters = [p for block in blocks for p in block.parameters()]
    device = parameters[0].device
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(retain))
    with torch.no_grad():
        lost_batches = [(lost.to(device), teacher(lost.to(device))) for lost, _ in forget]
    to_forget = itertools.cycle(lost_batches)
    for _ in range(EPOCHS):
        for inputs, _ in retain:
            inputs = inputs.to(device)
            lost, known = next(to_forget)
            with torch.no_grad():
                as_it_was = teacher(inputs)
            answers, rolled = net(lost), roll(known)
            unsettle = divergence(answers, rolled) - cosine_similarity(answers, rolled).mean()
            loss = divergence(net(inputs), as_it_was) + FORGET * unsettle
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()


def feature_blocks(net):
    """The first stages of the network: children named `layer...`, else any that have weights."""
    children = dict(net.named_children())
    named = [child for name, child in children.items() if name.startswith("layer")]
    return (named or [c for c in children.values() if any(True for _ in c.parameters())])[:BLOCKS]


def roll(logits):
    """The logits, moved along the classes by a random step in [-1, 1]."""
    return logits.roll(int(torch.randint(-1, 2, ())), dims=1)


def divergence(logits, target):
    return kl_div(
        log_softmax(logits, 1), log_softmax(target, 1), reduction="batchmean", log_target=True
    )
