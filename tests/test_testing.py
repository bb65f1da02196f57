"""Our own datasets and models pass the public checks; those that break a rule do not.

Also: the harness finds the plugins of an installed package.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import data, models
from harness.competition import CompetitionError
from harness.data.casia_surf import casia_surf
from harness.data.digits import digits
from harness.data.image_folder import image_folder
from harness.data.synthetic_faces import synthetic_faces
from harness.testing import check_dataset, check_model
from tests.data.files import save_image, write_casia_surf

ROOT = Path(__file__).parents[1]


def test_our_datasets_keep_the_rules(tmp_path):
    for i in range(6):
        save_image(tmp_path / f"mine/{'ab'[i % 2]}/{i}.png", seed=i)
    write_casia_surf(tmp_path / "faces")
    check_dataset(digits)
    check_dataset(synthetic_faces, persons=20, images=3, size=8)
    check_dataset(image_folder, folder=str(tmp_path / "mine"), size=8)
    check_dataset(casia_surf, folder=str(tmp_path / "faces"), size=8)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("small_resnet", {"channels": 3, "classes": 7, "widths": [4, 8]}),
        ("resnet18", {"num_classes": 7}),
        ("small_vit", {"num_classes": 7}),
    ],
)
def test_our_models_keep_the_rules(architecture, arguments):
    check_model(architecture, arguments, (3, 32, 32), classes=7)


GOOD = {
    "image": np.zeros((4, 1, 2, 2), np.float32),
    "label": np.array([0, 1, 0, 1]),
    "image_id": np.arange(4),
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"image": GOOD["image"].astype(float)}, "image is float64"),
        ({"image": GOOD["image"][:, 0]}, "image has the shape"),
        ({"image": GOOD["image"] + np.float32("nan")}, "not finite"),
        ({"age": np.zeros((4, 2), int)}, "age does not have one value"),
        ({"label": GOOD["label"].astype(np.int32)}, "label is not int64"),
        ({"label": np.zeros(4, int)}, "only one class"),
        ({"image_id": np.array([0, 1, 1, 2])}, "image_id is given twice"),
        ({"part": np.array([0, 1, 2, 3])}, "a part is not TRAIN"),
    ],
)
def test_a_dataset_that_breaks_a_rule_is_found_out(change, complaint):
    check_dataset(lambda: dict(GOOD))
    with pytest.raises(AssertionError, match=complaint):
        check_dataset(lambda: GOOD | change)


def test_a_dataset_that_changes_is_found_out():
    rng = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="read again, image has other values"):
        check_dataset(lambda: GOOD | {"image": rng.random((4, 1, 2, 2), np.float32)})


class Mixing(torch.nn.Linear):
    """Sees the other images of its batch."""

    def __init__(self) -> None:
        super().__init__(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return super().forward(x - x.mean(0))


class Forgetful(torch.nn.Linear):
    """Has a weight that its state does not hold."""

    def __init__(self) -> None:
        super().__init__(4, 2)
        self.scale = np.random.default_rng().random()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(x.flatten(1))


class Idle(torch.nn.Linear):
    """Has a weight that it does not use."""

    def __init__(self) -> None:
        super().__init__(4, 2)
        self.spare = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(1))


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("Mixing", "depend on its batch"),
        ("Forgetful", "leave something out"),
        ("Idle", "no gradient reaches spare"),
    ],
)
def test_a_model_that_breaks_a_rule_is_found_out(model, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_model(f"{__name__}:{model}", {}, (1, 2, 2), classes=2)


PACKAGE = """
import numpy as np
import torch

def stripes(classes: int, shades: list[float], seed: int | None = None):
    image = np.random.default_rng(seed or 0).random((40, 1, 4, 4), np.float32)
    return {"image": image, "label": np.arange(40) % classes, "image_id": np.arange(40)}

def tiny(classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, classes))
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "stripes"
version = "1"
[project.entry-points."harness.datasets"]
stripes = "stripes:stripes"
broken = "stripes_that_are_not_there:stripes"
[project.entry-points."harness.models"]
tiny = "stripes:tiny"
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of somebody else's, built and installed as any is; alone in its folder."""
    source, place = (tmp_path_factory.mktemp(name) for name in ("stripes", "site"))
    (source / "stripes.py").write_text(textwrap.dedent(PACKAGE))
    (source / "pyproject.toml").write_text(PROJECT)
    python = [sys.executable, "-m"]
    build = [*python, "hatchling", "build", "-t", "wheel"]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    pip = [*python, "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*pip, str(wheel)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        yield place


def test_an_installed_package_is_found_by_being_there(package):
    columns = data.read("stripes", {"classes": 2, "shades": [1, 0.5]})
    assert len(columns["label"]) == 40
    with pytest.raises(CompetitionError, match=r"data.shades\[1\]: expected float, got str"):
        data.read("stripes", {"classes": 2, "shades": [1, "x"]})
    with pytest.raises(CompetitionError, match="'stripe'; did you mean 'stripes'"):
        data.read("stripe")
    with pytest.raises(CompetitionError, match="'broken' cannot be imported: No module"):
        data.read("broken")
    assert models.build("tiny", classes=2)(torch.zeros(1, 1, 4, 4)).shape == (1, 2)
    with pytest.raises(ValueError, match="known: small_resnet, resnet18, small_vit, tiny, or your"):
        models.build("tinny")
