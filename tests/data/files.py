"""Small files in the true formats of the datasets."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10

TRAINING = [f"data_batch_{i}" for i in range(1, 6)]


def save_image(path: Path, mode: str = "RGB", size: tuple[int, int] = (20, 16), seed: int = 0):
    """An image of random pixels, in the format that the suffix says."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    pixels = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_cifar10(folder: Path, images: int = 40) -> dict[str, dict]:
    """CIFAR-10's six batches and `batches.meta`, of fewer images; what the batches hold."""
    rng = np.random.default_rng(0)
    batches = {
        name: {
            "batch_label": name,
            "labels": rng.permutation(np.arange(images) % 10).tolist(),
            "data": rng.integers(256, size=(images, 3072), dtype=np.uint8),
            "filenames": [f"{name}_{i}.png" for i in range(images)],
        }
        for name in (*TRAINING, "test_batch")
    }
    meta = {"num_cases_per_batch": images, "label_names": list("abcdefghij"), "num_vis": 3072}
    base = folder / CIFAR10.base_folder
    base.mkdir(parents=True)
    for name, content in (batches | {"batches.meta": meta}).items():
        (base / name).write_bytes(pickle.dumps(content, protocol=2))
    return batches


def expect_cifar10(folder: Path, monkeypatch) -> None:
    """Let torchvision expect the sums of these files, and find no network."""
    base = folder / CIFAR10.base_folder
    sums = {path.name: md5(path) for path in base.iterdir()}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in TRAINING])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_casia_surf(folder: Path, persons: int = 40, images: int = 6) -> dict[str, int]:
    """CASIA-SURF's tree, with persons of 20, 25, ..., 65 years in turn; their ages."""
    ages = {f"CLKJ_AS{i:04d}": 20 + 5 * (i % 10) for i in range(persons)}
    for i, person in enumerate(ages):
        # The challenge's own tree has another folder above the persons.
        above = folder / "WBackground" / ("real_part" if i % 2 else "")
        for k in range(images):
            save_image(above / person / f"real.rssdk/color/{k}1.jpg", seed=images * i + k)
            save_image(above / person / f"real.rssdk/depth/{k}1.jpg", mode="L")
    lines = [f"{person} {age} {'MF'[age % 2]}\n" for person, age in ages.items()]
    (folder / "Age_Gender.txt").write_text("".join(lines))
    return ages
