"""CIFAR-10 is read from its own files, whole or not at all, and divided as in the starting kit."""

import pickle
import shutil
import tarfile

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from harness import data
from harness.competition import CompetitionError, Forget, Splits
from harness.data.cifar10 import cifar10
from harness.data.columns import TEST, TRAIN, VALIDATION
from tests.data.files import expect_cifar10, md5, write_cifar10

SPLITS = Splits(seed=0, forget=Forget(kind="random", share=0.1), published=True)


@pytest.fixture
def batches(tmp_path, monkeypatch):
    written = write_cifar10(tmp_path)
    expect_cifar10(tmp_path, monkeypatch)
    return written


def test_the_images_are_the_batches_normalised(tmp_path, batches):
    columns = cifar10(str(tmp_path))
    assert columns["image"].shape == (240, 3, 32, 32)
    assert columns["image"].dtype == np.float32
    mean, std = np.array([[0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]])[:, :, None, None]
    pixels = np.concatenate([batch["data"] for batch in batches.values()])
    np.testing.assert_allclose(
        (columns["image"] * std + mean) * 255, pixels.reshape(-1, 3, 32, 32), atol=1e-3
    )
    labels = np.concatenate([batch["labels"] for batch in batches.values()])
    assert np.array_equal(columns["label"], labels)


def test_the_test_batch_is_halved_as_in_the_starting_kit(tmp_path, batches):
    columns = cifar10(str(tmp_path))
    held_out = torch.utils.data.random_split(
        range(200, 240), [0.5, 0.5], generator=torch.Generator().manual_seed(42)
    )
    assert (columns["part"][:200] == TRAIN).all()
    for subset, part in zip(held_out, (TEST, VALIDATION), strict=True):
        assert np.flatnonzero(columns["part"] == part).tolist() == sorted(subset)


def test_a_tenth_of_the_training_batches_is_forgotten(tmp_path, batches):
    loaded = data.load("cifar10", SPLITS, {"folder": str(tmp_path)})
    sizes = [len(getattr(loaded, n)["label"]) for n in ("retain", "forget", "validation", "test")]
    assert sizes == [180, 20, 20, 20]
    assert loaded.forget["image_id"].max() < 200
    assert "part" not in loaded.forget


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize("harm", ["cut", "remove"])
def test_what_is_missing_or_cut_short_is_said_with_where_to_get_it(tmp_path, batches, name, harm):
    path = tmp_path / CIFAR10.base_folder / name
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    with pytest.raises(CompetitionError, match=r"cifar-10-python\.tar\.gz .*cifar\.html") as error:
        cifar10(str(tmp_path))
    assert str(tmp_path) in str(error.value)


def test_an_archive_in_the_folder_is_unpacked(tmp_path, batches, monkeypatch):
    archive = tmp_path / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / CIFAR10.base_folder, CIFAR10.base_folder)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
    shutil.rmtree(tmp_path / CIFAR10.base_folder)
    assert len(cifar10(str(tmp_path))["label"]) == 240


def test_a_label_too_few_is_noticed(tmp_path, batches, monkeypatch):
    path = tmp_path / CIFAR10.base_folder / "data_batch_2"
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(content | {"labels": content["labels"][:-1]}, protocol=2))
    expect_cifar10(tmp_path, monkeypatch)
    with pytest.raises(CompetitionError, match="240 of image, 239 of label"):
        data.load("cifar10", SPLITS, {"folder": str(tmp_path)})
