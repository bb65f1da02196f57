"""Fashion-MNIST is read from its real files, packed, unpacked or downloaded, or not at all."""

import gzip
import hashlib
import shutil
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import FashionMNIST

from harness import competition, data
from harness.competition import CompetitionError
from harness.data.columns import TEST, TRAIN, VALIDATION
from harness.data.fashion_mnist import PACKAGE, SUMS, fashion_mnist

RAW = "FashionMNIST/raw"
# When the publishers packed their files; Debian's have no such time, and no name.
PACKED_AT = {"train": 1504176606, "t10k": 1504176627}

pytestmark = pytest.mark.skipif(
    not PACKAGE.is_dir(), reason="needs the Debian package dataset-fashion-mnist"
)


def published(name: str) -> bytes:
    """The file as its publishers packed it: Debian's, with name and time put back."""
    packed = (PACKAGE / f"{name}.gz").read_bytes()
    head = b"\x1f\x8b\x08\x08" + struct.pack("<I", PACKED_AT[name.split("-")[0]])
    return head + packed[8:10] + name.encode() + b"\0" + packed[10:]


@pytest.fixture
def packed(tmp_path) -> Path:
    """A folder with the four packed files, to be harmed."""
    folder = tmp_path / "packed"
    shutil.copytree(PACKAGE, folder)
    return folder


@pytest.fixture
def no_package(tmp_path, monkeypatch):
    module = import_module("harness.data.fashion_mnist")  # harness.data has the function so named
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "not installed")


def test_the_package_holds_what_torchvision_downloads():
    sums = {f"{n}.gz": hashlib.md5(published(n)).hexdigest() for n in SUMS}
    assert sums == dict(FashionMNIST.resources)


def test_images_and_labels_are_those_of_the_files(tmp_path):
    columns = fashion_mnist(str(tmp_path))
    assert columns["image"].shape == (70_000, 1, 28, 28)
    pixels, labels = (
        gzip.decompress((PACKAGE / f"t10k-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    read = np.rint(columns["image"][60_000:] * 255).astype(np.uint8)
    assert read.tobytes() == pixels[16:]
    assert columns["label"][60_000:].astype(np.uint8).tobytes() == labels[8:]
    assert (np.bincount(columns["label"]) == 7_000).all()
    assert not any(tmp_path.iterdir())


def test_the_published_test_images_are_halved(tmp_path):
    part = fashion_mnist(str(tmp_path), size=1)["part"]
    assert (part[:60_000] == TRAIN).all()
    assert ((part == VALIDATION).sum(), (part == TEST).sum()) == (5_000, 5_000)


def test_images_can_be_shrunk_padded_stacked_and_fewer(tmp_path):
    whole = fashion_mnist(str(tmp_path), images=50)
    small = fashion_mnist(str(tmp_path), size=14, images=50)["image"]
    means = whole["image"].reshape(50, 1, 14, 2, 14, 2).mean((3, 5))
    np.testing.assert_allclose(small, means, atol=1e-6)
    large = fashion_mnist(str(tmp_path), size=32, channels=3, images=50)["image"]
    for channel in range(3):
        assert np.array_equal(large[:, channel, 2:30, 2:30], whole["image"][:, 0])
    assert large.sum(dtype=np.float64) == pytest.approx(
        3 * whole["image"].sum(dtype=np.float64), rel=1e-9
    )
    assert "part" not in whole
    with pytest.raises(CompetitionError, match="data.images = 70001: Fashion-MNIST has 70000"):
        fashion_mnist(str(tmp_path), images=70_001)


def test_a_download_that_is_there_is_read_and_its_unpacked_files_are_checked(tmp_path, no_package):
    raw = tmp_path / RAW
    raw.mkdir(parents=True)
    for name in SUMS:
        (raw / name).write_bytes(gzip.decompress((PACKAGE / f"{name}.gz").read_bytes()))
    assert len(fashion_mnist(str(tmp_path), size=1)["label"]) == 70_000
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x03")
    with pytest.raises(CompetitionError, match="train-labels-idx1-ubyte is not the original"):
        fashion_mnist(str(tmp_path), size=1)


def test_torchvision_downloads_it_where_there_is_nothing_yet(tmp_path, no_package, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in SUMS:
        (mirror / f"{name}.gz").write_bytes(published(name))
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=mirror)
    ) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(FashionMNIST, "mirrors", [url])
        try:
            columns = fashion_mnist(str(tmp_path / "data"), size=1)
        finally:
            server.shutdown()
    assert len(columns["label"]) == 70_000
    assert (tmp_path / "data" / RAW / "t10k-labels-idx1-ubyte").is_file()


def test_without_network_it_says_what_to_install(tmp_path, no_package, monkeypatch):
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(CompetitionError, match="install the Debian package dataset-fashion-mnist"):
        fashion_mnist(str(tmp_path))


@pytest.mark.parametrize("name", SUMS)
def test_a_missing_or_cut_file_is_named(packed, name):
    path = packed / f"{name}.gz"
    whole = path.read_bytes()
    for harm in (whole[:-9], whole[: len(whole) // 2], b"", b"no archive", None):
        path.unlink()
        if harm is not None:
            path.write_bytes(harm)
        with pytest.raises(CompetitionError, match=f"{path} is (missing|not)") as error:
            fashion_mnist(str(packed), size=1)
        assert "dataset-fashion-mnist" in str(error.value)
        path.touch()


def test_a_folder_with_the_test_set_alone_is_not_filled_from_elsewhere(packed):
    for path in packed.glob("train-*"):
        path.unlink()
    with pytest.raises(CompetitionError, match="train-images-idx3-ubyte.gz is missing"):
        fashion_mnist(str(packed), size=1)


def test_swapped_files_are_told_apart(packed):
    images = [packed / f"{part}-images-idx3-ubyte.gz" for part in ("train", "t10k")]
    kept = images[0].rename(packed / "kept")
    images[1].rename(images[0])
    kept.rename(images[1])
    complaint = "train-images-idx3-ubyte.gz holds what belongs in t10k-images-idx3-ubyte"
    with pytest.raises(CompetitionError, match=complaint):
        fashion_mnist(str(packed), size=1)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("fashion_mnist", (6_000, 120, 2_000, 2_000)),
        ("fashion_mnist_full", (58_800, 1_200, 5_000, 5_000)),
    ],
)
def test_the_competitions_divide_it(name, sizes):
    settings = competition.load(name)
    divided = data.load(settings.dataset, settings.splits, settings.data | {"channels": 1})
    splits = (divided.retain, divided.forget, divided.validation, divided.test)
    assert tuple(len(split["label"]) for split in splits) == sizes
