"""Fashion-MNIST, read by torchvision from its own download or from a Debian package."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torchvision.datasets import FashionMNIST

from harness.competition import CompetitionError
from harness.data.cifar10 import halved
from harness.data.columns import TRAIN, Columns, Positive

PACKAGE = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist
SIDE, COUNT = 28, 70_000
# SHA-256 of the unpacked files. torchvision only knows sums of the packed ones, and Debian packs
# them without name and time.
SUMS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_MENDED = (
    "install the Debian package dataset-fashion-mnist, or put the four .gz files of "
    "github.com/zalandoresearch/fashion-mnist into"
)


def fashion_mnist(
    folder: str, size: Positive = SIDE, channels: Positive = 1, images: Positive = COUNT
) -> Columns:
    """Grey images of clothes in [0, 1]: the 60,000 for training, then the 10,000 for tests.

    Parameters
    ----------
    folder : str
        Holds the four files, packed or not, directly or in `FashionMNIST/raw`, where torchvision
        puts them. If it has none, they are read from Debian's package `dataset-fashion-mnist`. If
        that is not installed, they are downloaded into the folder.
    size : int
        Height and width in pixels: below 28 an image is averaged over areas, above it is padded.
    channels : int
        How often the grey image is repeated as a channel.
    images : int
        Take only the first ones. The whole dataset has a published division; its test images are
        halved into validation and test set as the challenge's starting kit halves CIFAR-10's.

    Raises
    ------
    CompetitionError
        If a file is missing, damaged or not the original, or none can be downloaded.
    """
    if images > COUNT:
        raise CompetitionError(f"data.images = {images}: Fashion-MNIST has {COUNT}")
    place = _place(Path(folder))
    with tempfile.TemporaryDirectory() as root:
        raw = Path(root, "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for name in SUMS:
            (raw / name).write_bytes(_content(place, name, folder))
        training, held_out = (FashionMNIST(root, train=train) for train in (True, False))
    grey = _resized(torch.cat([training.data, held_out.data])[:images], size)
    labels = torch.cat([training.targets, held_out.targets])[:images]
    columns = {
        "image": grey[:, None].repeat(1, channels, 1, 1).numpy(),
        "label": labels.numpy(),
        "image_id": np.arange(images),
    }
    if images == COUNT:
        columns["part"] = np.append(np.full(len(training), TRAIN), halved(len(held_out)))
    return columns


def _place(folder: Path) -> Path:
    """The folder of the files, after a download if there is no other way."""
    raw = folder / "FashionMNIST" / "raw"
    for place in (raw, folder, PACKAGE):
        if any((place / f"{name}{packed}").is_file() for name in SUMS for packed in ("", ".gz")):
            return place
    try:
        FashionMNIST(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise CompetitionError(
            f"Fashion-MNIST is not in {folder} and cannot be downloaded ({error}): "
            f"{_MENDED} {folder}"
        ) from None
    return raw


def _content(place: Path, name: str, folder: str) -> bytes:
    """The unpacked file, if its sum is right."""
    path = place / name
    if not path.is_file():
        path = place / f"{name}.gz"
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise CompetitionError(
            f"{path} is missing or damaged ({error}): {_MENDED} {folder}"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != SUMS[name]:
        known = {of: other for other, of in SUMS.items()}
        what = f"holds what belongs in {known[found]}" if found in known else "is not the original"
        raise CompetitionError(f"{path} {what}: {_MENDED} {folder}")
    return content


def _resized(images: Tensor, size: int) -> Tensor:
    """[n, 28, 28] in bytes, to [n, size, size] in [0, 1]."""
    if size < SIDE:
        # Sums of whole numbers are exact, so machines do not differ in rounding.
        return interpolate(images[:, None].float(), size, mode="area")[:, 0] / 255
    before = (size - SIDE) // 2
    after = size - SIDE - before
    return pad(images, (before, after, before, after)).float() / 255
