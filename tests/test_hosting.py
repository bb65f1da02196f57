"""`make competition`: a folder of images becomes a file that works, or nothing is written."""

import re
from pathlib import Path

import pytest

from harness import competition, data
from harness.__main__ import main
from harness.data.notices import tell
from harness.hosting import create
from tests.data.files import save_image

CLASSES, IMAGES = ("ants", "bees"), 41


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for c, name in enumerate(CLASSES):
        for i in range(IMAGES):
            save_image(Path(f"my images/{name}/{i}.png"), size=(9, 8), seed=100 * c + i)
    return Path("my images")


def persons(folder: Path, images_each: int) -> None:
    lines = [f"{c}/{i}.png,{c}{i // images_each}" for c in CLASSES for i in range(IMAGES)]
    (folder / "identities.csv").write_text("\n".join(["file,identity", *lines]))


def test_a_folder_becomes_a_competition_with_its_cost(folder, capsys):
    persons(folder, images_each=2)
    assert main(["competition", "mine", str(folder)]) == 0
    said = capsys.readouterr().out
    made = competition.load("mine")
    found = data.load(made.dataset, made.splits, made.data)
    assert made.splits.forget.kind == "identities"
    sizes = {name: len(getattr(found, name)["label"]) for name in ("retain", "forget", "test")}
    assert sizes == {"retain": 48, "forget": 4, "test": 9}
    assert "82 of 2 classes: 48 retain, 4 forget, 21 validation, 9 test" in said
    models, steps, milliseconds = re.search(r"(\d+) models x (\d+) steps x (\S+) ms", said).groups()  # type: ignore[union-attr]
    assert (int(models), int(steps)) == (1 + 2 * 512, 30)
    assert float(milliseconds) > 0
    assert "for a first look, --runs 32: about " in said
    # Of 4 forget images, by one model and by 16.
    accuracies = re.search(r"and of 16 retrained models: (\S+)% and (\S+)% on the forget", said)
    for accuracy, images in zip(accuracies.groups(), (4, 64), strict=True):  # type: ignore[union-attr]
        right = float(accuracy) / 100 * images
        assert abs(right - round(right)) < 0.04
    assert re.search(r"memorised: on (0|25|50|75|100)% of the forget set the original is", said)
    assert "left to decide, in that file" in said
    assert "harness evaluate --competition mine" in said


def test_a_competition_and_its_images_can_move_and_be_used_from_anywhere(
    folder, tmp_path, monkeypatch
):
    next(create("mine", folder))
    assert 'folder = "../my images"' in Path("reference/mine.toml").read_text()
    Path("reference/twin.toml").write_text('extends = "mine.toml"')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("reference", "my images"):
        Path(name).rename(elsewhere / name)
    monkeypatch.chdir("/")
    for name in ("mine", "twin"):
        made = competition.load(str(elsewhere / f"reference/{name}.toml"))
        assert len(data.read(made.dataset, made.data)["label"]) == len(CLASSES) * IMAGES


def test_a_half_filled_table_of_a_spreadsheet_and_strays_are_no_hindrance(folder, capsys, caplog):
    tell.cache_clear()
    lines = [
        f"{c}/{i}.png;{'unknown' if i % 2 else f'Zoë {i}'}" for c in CLASSES for i in range(IMAGES)
    ]
    text = "\r\n".join(["file;identity", *lines, ";", ""])
    (folder / "identities.csv").write_bytes(text.encode("cp1252"))
    (folder / ".DS_Store").touch()
    next(create("my-cup", folder))
    assert caplog.messages[0] == "my images: skipped 1 .DS_Store"
    assert "identities.csv is not UTF-8: read as Windows-1252" in caplog.messages[1]
    made = competition.load("my-cup")
    people = data.read(made.dataset, made.data)["person_id"]
    assert len(set(people)) == (IMAGES + 1) // 2 + 2 * (IMAGES // 2)


def test_without_identities_the_forget_set_is_drawn(folder):
    next(create("mine", folder))
    made = competition.load("mine")
    assert (made.splits.forget.kind, made.splits.forget.count) == ("random", 4)


def test_no_epoch_ends_with_a_batch_of_one_image(folder):
    for i in range(IMAGES, IMAGES + 31):
        save_image(folder / f"ants/{i}.png", size=(9, 8), seed=i)
    next(create("mine", folder))
    made = competition.load("mine")
    found = data.load(made.dataset, made.splits, made.data)
    assert len(found.retain["label"]) == 65
    assert made.training.batch_size == 63


@pytest.mark.parametrize(
    ("name", "mistake", "said"),
    [
        ("digits", lambda folder: None, "digits.toml exists already"),
        ("mine", lambda folder: (folder / "cats").mkdir(), "no image in my images/cats"),
        ("mine", lambda folder: (folder / "ants/0.png").write_text("x"), "0.png: it is not an"),
        (
            "mine",
            lambda folder: persons(folder, images_each=IMAGES),
            "1 identities that stay whole",
        ),
    ],
)
def test_a_mistake_is_said_and_writes_nothing(folder, name, mistake, said, capsys):
    mistake(folder)
    assert main(["competition", name, str(folder)]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)
    assert not Path("reference").exists()
