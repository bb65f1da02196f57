"""The digits, a model trained on them, and the submissions as modules."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.models import resnet18

from harness import competition, data, models
from harness.batches import Split, loader
from harness.competition import Competition
from harness.reference.training import train

SUBMISSIONS = Path(__file__).parents[2] / "submissions"


@dataclass(frozen=True)
class Digits:
    """The competition's splits and its original model's weights."""

    competition: Competition
    retain: Split
    forget: Split
    validation: Split
    weights: dict[str, Tensor]

    def model(self) -> nn.Module:
        """A copy of the original model, in the mode in which the harness hands it over."""
        net = models.build(self.competition.model.architecture, **self.competition.model.arguments)
        net.load_state_dict(self.weights)
        return net.eval()

    def loaders(self) -> tuple[DataLoader, DataLoader, DataLoader]:
        """What a submission gets."""
        return (
            loader(self.retain, 64, shuffle=True),
            loader(self.forget, 64, shuffle=True),
            loader(self.validation, 64, shuffle=False),
        )


@pytest.fixture(scope="session")
def digits() -> Digits:
    torch.set_num_threads(1)
    digits = competition.load("digits")
    splits = data.load(digits.dataset, digits.splits)
    columns = {
        part: {k: torch.from_numpy(v) for k, v in getattr(splits, part).items()}
        for part in ("train", "retain", "forget", "validation")
    }
    original = train(
        digits.model, digits.training, columns["train"]["image"], columns["train"]["label"], [1]
    )
    parts = {part: Split(columns[part]) for part in ("retain", "forget", "validation")}
    return Digits(digits, **parts, weights=original.states()[0])


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    """A submission's file as a module of its own, so that its constants can be set."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, SUBMISSIONS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def faces() -> tuple[nn.Module, tuple[DataLoader, DataLoader, DataLoader]]:
    """torchvision's ResNet-18 and a few colour images, on a GPU where there is one."""
    torch.manual_seed(0)
    net = resnet18(num_classes=10).to("cuda" if torch.cuda.is_available() else "cpu")
    parts = [
        Split(
            {
                "image": torch.rand(count, 3, 32, 32),
                "label": torch.randint(10, (count,)),
                "image_id": torch.arange(count),
            }
        )
        for count in (8, 4, 4)
    ]
    retain, forget, val = (loader(p, 4, shuffle=i < 2) for i, p in enumerate(parts))
    return net.eval(), (retain, forget, val)


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    """The model's state, as it is now."""
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Names of the tensors that are not bit for bit the same."""
    return {name for name in before if not torch.equal(before[name], after[name])}


@torch.no_grad()
def loss_on(net: nn.Module, split: Split) -> float:
    """Mean cross entropy of the model, in evaluation mode."""
    logits = net.eval()(split.columns["image"])
    return cross_entropy(logits, split.columns["age_group"]).item()


def gradients_one_by_one(net: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Gradients of the loss of each example, by as many backward passes."""
    names = [name for name, _ in net.named_parameters()]
    each = [
        torch.autograd.grad(cross_entropy(net(x[None]), y[None]), list(net.parameters()))
        for x, y in zip(images, labels, strict=True)
    ]
    return {name: torch.stack([g[i] for g in each]) for i, name in enumerate(names)}
