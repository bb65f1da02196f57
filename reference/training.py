"""The recipe: how the original and every retrained model is trained, many at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness import models
from harness.competition import Model, Training
from harness.fused import Fused


def initialise(model: Model, seed: int) -> torch.nn.Module:
    """A model with torch's default initialisation, drawn from its own seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.build(model.architecture, **model.arguments)


def train(
    model: Model,
    recipe: Training,
    images: Tensor,
    labels: Tensor,
    seeds: Sequence[int],
) -> Fused:
    """Train one model a seed, all at once, each with its own initialisation and batch order.

    A model's weights depend on its seed alone, but for rounding: neither its gradient nor its
    AdamW update mixes with another's.

    Parameters
    ----------
    model, recipe
        From the competition.
    images : Tensor [n, channels, height, width]
    labels : Tensor [n], int64
    seeds : sequence of int
        One a model.

    Returns
    -------
    Fused
        The trained models, in evaluation mode.
    """
    members = [initialise(model, seed) for seed in seeds]
    fused = Fused(members[0], [member.state_dict() for member in members]).train()
    optimizer = torch.optim.AdamW(
        fused.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    batches = -(-len(images) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * batches)
    for _ in range(recipe.epochs):
        order = torch.stack([torch.randperm(len(images), generator=g) for g in orders], dim=1)
        for batch in order.split(recipe.batch_size):  # [B, M]
            logits = fused(images[batch])
            # The sum over models of each one's mean: its gradient is each model's own.
            loss = cross_entropy(logits.flatten(0, 1), labels[batch].flatten(), reduction="sum")
            optimizer.zero_grad()
            (loss / len(batch)).backward()
            optimizer.step()
            schedule.step()
    return fused.eval()
