"""A folder of anyone's images becomes a dataset, or one clear sentence says why not."""

import shutil

import numpy as np
import pytest

from harness.competition import CompetitionError
from harness.data.image_folder import image_folder
from harness.data.notices import tell
from tests.data.files import save_image

FILES = ("ants/1.jpg", "ants/2.png", "bees/1.png", "bees/2.jpg")
TABLE = "file,identity\nants/1.jpg,Zoe\nants/2.png,Ann\nbees/1.png,Zoe\nbees/2.jpg,Bob\n"


@pytest.fixture(autouse=True)
def nothing_was_said_yet():
    tell.cache_clear()


@pytest.fixture
def folder(tmp_path):
    for seed, (path, mode) in enumerate(zip(FILES, ("RGB", "L", "RGBA", "L"), strict=True)):
        save_image(tmp_path / path, mode, size=(20, 12), seed=seed)
    return tmp_path


def test_images_of_any_kind_become_colour_of_one_size(folder):
    (folder / "ants" / "notes.txt").write_text("no image")
    (folder / ".hidden").mkdir()
    columns = image_folder(str(folder), 8)
    assert columns["image"].shape == (4, 3, 8, 8)
    assert columns["image"].dtype == np.float32
    assert 0 <= columns["image"].min() < columns["image"].max() <= 1
    assert columns["label"].tolist() == [0, 0, 1, 1]
    grey = columns["image"][1]
    assert np.array_equal(grey[0], grey[1])
    assert not np.array_equal(columns["image"][2, 0], columns["image"][2, 1])
    assert "person_id" not in columns


def test_identities_come_from_the_table(folder):
    (folder / "identities.csv").write_text(TABLE)
    assert image_folder(str(folder), 8)["person_id"].tolist() == [2, 0, 2, 1]


def test_persons_who_are_spelled_alike_may_be_said_to_differ(folder):
    (folder / "identities.csv").write_text(TABLE.replace("Bob", "zoe"))
    with pytest.raises(CompetitionError, match="exact_identities = true"):
        image_folder(str(folder), 8)
    columns = image_folder(str(folder), 8, exact_identities=True)
    assert columns["person_id"].tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ("path", "kept", "complaint"),
    [
        ("ants/1.jpg", 100, "ants/1.jpg: it is not an image, or damaged"),
        ("bees/1.png", 60, "bees/1.png: it is not an image, or damaged"),
        ("bees/1.png", 0, "bees/1.png: it is not an image, or damaged"),
    ],
)
def test_a_damaged_image_is_named(folder, path, kept, complaint):
    (folder / path).write_bytes((folder / path).read_bytes()[:kept])
    with pytest.raises(CompetitionError, match=complaint):
        image_folder(str(folder), 8)


def test_a_class_without_an_image_is_named(folder):
    (folder / "cats").mkdir()
    with pytest.raises(CompetitionError, match="no image in .*cats"):
        image_folder(str(folder), 8)


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(CompetitionError, match="no image in"):
        image_folder(str(tmp_path), 8)
    with pytest.raises(CompetitionError, match="no folder .*nowhere"):
        image_folder(str(tmp_path / "nowhere"), 8)


def test_what_systems_leave_behind_is_passed_over_and_counted(folder, caplog):
    before = image_folder(str(folder), 8)
    strays = (
        *("ants/.ipynb_checkpoints/1-checkpoint.jpg", "__MACOSX/ants/._1.jpg", ".DS_Store"),
        *("bees/deep/@eaDir/1.png", "bees/deep/.DS_Store", "bees/._1.png", "ants/Thumbs.db"),
    )
    for path in (*strays, "ants/notes.txt", "ants/new.HEIC", "identities.xlsx"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "ants/1.jpg", folder / path)
    after = image_folder(str(folder), 8)
    assert np.array_equal(before["image"], after["image"])
    (record,) = caplog.records
    said = record.getMessage()
    assert f"{folder}: skipped 2 .DS_Store, " in said
    image_folder(str(folder), 8)
    assert len(caplog.records) == 1  # however often it is read


def test_files_that_are_no_images_are_named_by_their_kind(folder, caplog):
    shutil.copy(folder / "ants/1.jpg", folder / "ants/new.HEIC")
    (folder / "identities.xlsx").touch()
    image_folder(str(folder), 8)
    assert "skipped 1 *.xlsx, 1 *.HEIC" in caplog.text


def test_linked_folders_and_files_are_read_and_rings_end(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save_image(elsewhere / "deep/1.png", seed=7)
    save_image(elsewhere / "one.png", seed=8)
    (folder / "cats").symlink_to(elsewhere)
    (folder / "ants/more").symlink_to(elsewhere / "deep")
    (folder / "ants/3.png").symlink_to(elsewhere / "one.png")
    (elsewhere / "deep/ring").symlink_to(elsewhere / "deep")
    assert image_folder(str(folder), 8)["label"].tolist() == [0] * 4 + [1] * 2 + [2] * 2


def test_equal_images_are_reported_and_worse_if_their_classes_differ(folder, caplog):
    shutil.copy(folder / "ants/2.png", folder / "ants/9.png")
    image_folder(str(folder), 8)
    assert (
        "1 images are copies of others, and stay in one split: ants/2.png = ants/9" in caplog.text
    )
    shutil.copy(folder / "ants/2.png", folder / "bees/9.png")
    image_folder(str(folder), 8)
    assert "and 1 of them of another class, and stay" in caplog.text
    assert caplog.messages[-1].endswith("split: ants/2.png = bees/9.png")
