"""A folder of anyone's images becomes a dataset, or one clear sentence says why not."""

import numpy as np
import pytest

from harness.competition import CompetitionError
from harness.data.image_folder import image_folder
from tests.data.files import save_image

FILES = ("ants/1.jpg", "ants/2.png", "bees/1.png", "bees/2.jpg")
TABLE = "file,identity\nants/1.jpg,Zoe\nants/2.png,Ann\nbees/1.png,Zoe\nbees/2.jpg,Bob\n"


@pytest.fixture
def folder(tmp_path):
    for path, mode in zip(FILES, ("RGB", "L", "RGBA", "L"), strict=True):
        save_image(tmp_path / path, mode, size=(20, 12))
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


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("bees/2.jpg,Bob\n", "", "does not name bees/2.jpg"),
        ("bees/2.jpg", "bees/3.jpg", "does not name bees/2.jpg"),
        ("bees/2.jpg,Bob\n", "bees/2.jpg,Bob\nzebras/1.jpg,Bob\n", "there is not, zebras/1.jpg"),
        ("bees/2.jpg,Bob\n", "bees/2.jpg,Bob\nants/1.jpg,Bob\n", "ants/1.jpg two identities"),
        ("Zoe\n", "\n", "both filled"),
        ("file,identity", "name,who", "columns file,identity"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(folder, old, new, complaint):
    (folder / "identities.csv").write_text(TABLE.replace(old, new, 1))
    with pytest.raises(CompetitionError, match=complaint):
        image_folder(str(folder), 8)


@pytest.mark.parametrize(
    ("path", "kept", "complaint"),
    [
        ("ants/1.jpg", 100, "ants/1.jpg is no image, or damaged"),
        ("bees/1.png", 60, "bees/1.png is no image, or damaged"),
        ("bees/1.png", 0, "bees/1.png is no image, or damaged"),
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
