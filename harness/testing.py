"""Checks that every dataset, model and attacker must pass; call them from your own tests.

from harness.testing import check_attacker, check_dataset, check_model

def test_my_dataset():
    check_dataset(my_dataset, folder="tests/data", size=8)

def test_my_model():
    check_model("my_package.models:net", {"num_classes": 10}, (3, 32, 32), classes=10)

def test_my_attacker():
    check_attacker(Attacker(MyClassifier(), sees="logits"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from harness import models
from harness.data import Columns, bind, check
from harness.data.columns import TEST, TRAIN, VALIDATION
from harness.epsilon.testing import check_attacker

__all__ = ["check_attacker", "check_dataset", "check_model"]

WHOLE = ("label", "image_id", "person_id", "age", "part")  # columns of whole numbers


def check_dataset(dataset: Callable[..., Columns], **arguments: object) -> Columns:
    """Raise an AssertionError unless a competition can use a dataset.

    Parameters
    ----------
    dataset : callable
        The function; its annotated parameters are the keys of a TOML's table `[data]`.
    **arguments
        As they stand there.

    Returns
    -------
    dict of ndarray
        The dataset's columns, for checks of your own.
    """
    columns, again = (dataset(**bind(dataset, arguments, "data")) for _ in range(2))
    assert {"image", "label", "image_id"} <= columns.keys(), f"only {', '.join(columns)}"
    image = columns["image"]
    assert image.dtype == np.float32, f"image is {image.dtype}, not float32"
    assert image.ndim == 4, f"image has the shape {image.shape}, not [n, channels, height, width]"
    assert np.isfinite(image).all(), "a pixel is not finite"
    for name in columns.keys() - {"image"}:
        assert columns[name].shape == image.shape[:1], f"{name} does not have one value per image"
        assert name not in WHOLE or columns[name].dtype == np.int64, f"{name} is not int64"
    assert check(columns) >= 2, "there is only one class"
    assert columns["label"].min() >= 0, "a label is below 0"
    assert len(np.unique(columns["image_id"])) == len(image), "an image_id is given twice"
    parts = set(columns.get("part", [TRAIN]))
    assert parts <= {TRAIN, VALIDATION, TEST}, f"a part is not TRAIN, VALIDATION or TEST: {parts}"
    assert columns.keys() == again.keys(), "read again, it has other columns"
    for name, column in columns.items():
        assert np.array_equal(column, again[name]), f"read again, {name} has other values"
    return columns


def check_model(
    architecture: str, arguments: Mapping[str, object], image: tuple[int, int, int], classes: int
) -> torch.nn.Module:
    """Raise an AssertionError unless a competition can use a model.

    Parameters
    ----------
    architecture : str
        As it stands in a TOML: a name, or "package.module:function".
    arguments : mapping
        As they stand there.
    image : tuple of int
        Channels, height and width.
    classes : int

    Returns
    -------
    Module
        The model, for checks of your own.
    """

    def made() -> torch.nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return models.build(architecture, **arguments)

    net, twin = made(), made()
    images = torch.randn(4, *image, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4) % classes
    weights = net.state_dict()
    for name, tensor in twin.state_dict().items():
        assert torch.equal(tensor, weights[name]), f"{name} does not follow from torch's seed"
    logits = net.eval()(images)
    assert logits.shape == (4, classes), f"logits have the shape {tuple(logits.shape)}"
    with torch.no_grad():
        alone = torch.cat([net(one[None]) for one in images])
    assert torch.allclose(alone, logits, atol=1e-4), "an image's logits depend on its batch"
    cross_entropy(net.train()(images), labels).backward()
    idle = [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, f"no gradient reaches {', '.join(idle)}"
    other = made()
    other.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(other.eval()(images), net.eval()(images)), "its weights leave something out"
    return net
