"""A submission to start from: copy this file under another name and change it.

What comes in
    net     : the original model, trained on retain and forget together, in its final state. A
              plain module with torchvision's names: conv1, bn1, layer1, layer2, ..., fc.
    retain  : a DataLoader of the examples to keep, in batches of 64, shuffled.
    forget  : a DataLoader of the examples to forget, in batches of 64, shuffled.
    val     : a DataLoader of examples that the original was not trained on, not shuffled.
    Each batch unpacks as `inputs, targets`, and also answers batch["image"], batch["age_group"]
    (the label, whatever it stands for) and batch["image_id"]. `retain.dataset` and the others
    can be indexed, and put into a DataLoader of your own. Everything is on the CPU except `net`,
    which is on the device to train it on.

What goes out
    Change `net` in place, or return a module. What counts is its `state_dict()`: the same names,
    shapes and dtypes as the original's, every value finite. Nothing else of what you return is
    used. Training or evaluation mode does not matter: the model is judged in evaluation mode.

What limits there are
    One process per run, without network, on one core or the one GPU. The competition's file
    says how much time and memory a run may take. A row gets a flag when its runs take more than
    a fifth of a retraining. torch, torchvision, numpy, scipy, scikit-learn and tqdm can be
    imported. Prints are kept. Files can be written to the working directory; they vanish after
    the run.

How it is scored
    This function runs hundreds of times, each time on a fresh copy of the same original. The
    models that come out are compared with as many models trained on the retain set alone:
    attackers look at what both kinds say about one forget example, and try to tell them apart.
    The less they can, the higher the score; 1.0 is as good as retraining. The score is multiplied
    by how much accuracy on retain and test examples is kept.

    So you must match a whole *distribution* of models, its spread included. The seeds of Python,
    numpy and torch are set before each run, differently every time. Draw your random numbers from
    torch and never set a seed; otherwise all runs are alike and easy to recognise.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 2
LEARNING_RATE = 1e-2
NOISE = 0.5


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device

    # Forget: blur every weight by noise in proportion to the spread of its tensor.
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += NOISE * parameter.std(correction=0) * torch.randn_like(parameter)

    # Repair: train on what is to be kept.
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(retain))
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            inputs, targets = inputs.to(device), targets.to(device)
            loss = cross_entropy(net(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    return net
