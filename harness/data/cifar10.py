"""CIFAR-10, read by torchvision, divided as in the challenge's starting kit."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from harness.competition import CompetitionError
from harness.data.columns import TEST, TRAIN, VALIDATION, Columns

_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # the starting kit's
_SEED = 42  # with it the kit halves the official test set into test and validation set


def cifar10(folder: str) -> Columns:
    """60,000 images of 3x32x32, normalised by channel: the training batches, then the test batch.

    Parameters
    ----------
    folder : str
        Holds `cifar-10-batches-py/` or `cifar-10-python.tar.gz`. If it holds neither, torchvision
        downloads the latter. Every file is compared with the MD5 sum that torchvision knows.

    Raises
    ------
    CompetitionError
        If files are missing or damaged, and cannot be downloaded.
    """
    try:
        training, held_out = (
            CIFAR10(folder, train=train, download=train) for train in (True, False)
        )
    except (OSError, RuntimeError) as error:
        raise CompetitionError(
            f"CIFAR-10 is missing or damaged in {folder} and could not be downloaded ({error}): "
            f"get {CIFAR10.filename} from the page 'The CIFAR-10 dataset', "
            f"www.cs.toronto.edu/~kriz/cifar.html, and unpack it in {folder}"
        ) from None
    images = np.concatenate([training.data, held_out.data]).transpose(0, 3, 1, 2)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (_MEAN, _STD))
    return {
        "image": (images / np.float32(255) - mean) / std,
        "label": np.array(training.targets + held_out.targets, np.int64),
        "image_id": np.arange(len(images)),
        "part": np.append(np.full(len(training), TRAIN), halved(len(held_out))),
    }


def halved(count: int) -> np.ndarray:
    """The part of each of the official test images, as the starting kit divides them."""
    generator = torch.Generator().manual_seed(_SEED)
    shuffled = torch.randperm(count, generator=generator).numpy()
    return np.where(shuffled.argsort() < count / 2, TEST, VALIDATION)
