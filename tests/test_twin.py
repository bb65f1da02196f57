"""A private twin: the same competition with another forget set and seeds that nobody knows."""

import stat
from pathlib import Path

import numpy as np
import pytest

from harness import competition, data, teams
from harness.__main__ import main
from harness.competition import CompetitionError
from harness.twin import create
from tests.small import SMALL

CLOSES = "\n[teams]\ncloses = 2999-12-31T00:00:00Z\n"
TWIN = "results/small_private/small_private.toml"


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("small.toml")
    path.write_text(SMALL + CLOSES)
    return path


def forgotten(name: str) -> set[int]:
    settings = competition.load(name)
    found = data.load(settings.dataset, settings.splits, settings.data)
    return set(found.forget["image_id"].tolist())


@pytest.mark.parametrize(
    "forget",
    [
        "start = 1560\ncount = 6",
        'kind = "random"\ncount = 6',
        'kind = "class"\nlabel = 3\ncount = 6',
    ],
)
def test_a_twin_forgets_as_many_others_of_the_same_kind(small, forget):
    small.write_text(small.read_text().replace("start = 1560\ncount = 6", forget))
    written, after = create("small.toml")
    assert TWIN in written
    assert after == f"after that: harness teams --competition {TWIN}"
    ours, twin = competition.load("small.toml"), competition.load(TWIN)
    assert len(forgotten(TWIN)) == 6
    assert len(forgotten(TWIN) & forgotten("small.toml")) < 6
    assert (twin.model, twin.splits.forget.kind) == (ours.model, ours.splits.forget.kind)
    assert twin.splits.seed != ours.splits.seed
    assert twin.training.seed not in (ours.training.seed, twin.splits.seed)
    assert stat.S_IMODE(Path(TWIN).stat().st_mode) == 0o600
    assert teams.home(twin) == teams.home(ours) == Path("results/small")
    with pytest.raises(CompetitionError, match="exists already"):
        list(create("small.toml"))


def test_a_block_never_meets_the_public_one(small):
    few = (
        small.read_text().replace("count = 6", "count = 700").replace("start = 1560", "start = 900")
    )
    small.write_text(few.replace("retain = 850", "retain = 500"))
    for _ in range(8):
        list(create("small.toml"))
        assert not forgotten(TWIN) & forgotten("small.toml")
        Path(TWIN).unlink()


def test_nothing_is_made_of_it_before_the_competition_closes(small, capsys):
    list(create("small.toml"))
    Path("inbox/lions").mkdir(parents=True)
    Path("inbox/lions/a.py").write_text("1")
    assert main(["teams", "--competition", TWIN]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: small_private is private until small closes, at 2999-12-31")
    assert not Path("reference").exists()
    assert not Path("results/small").exists()


@pytest.mark.parametrize(
    ("forget", "said"),
    [
        ('kind = "memorised"\ncount = 6', "no other forget set of kind 'memorised'"),
        ('kind = "class"\nlabel = 3', "no other forget set of kind 'class'"),
        ("start = 100\ncount = 1000", "no room for another forget set"),
    ],
)
def test_a_forget_set_that_a_seed_does_not_choose_is_refused(small, forget, said):
    text = small.read_text().replace("start = 1560\ncount = 6", forget)
    small.write_text(text.replace("retain = 850", "retain = 100"))
    with pytest.raises(CompetitionError, match=said):
        list(create("small.toml"))
    assert not Path("results").exists()


def test_a_competition_without_an_end_has_no_twin(small):
    small.write_text(SMALL)
    with pytest.raises(CompetitionError, match="teams.closes is missing"):
        list(create("small.toml"))


def test_what_ships_with_the_harness_is_extended_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("course.toml").write_text('extends = "digits"' + CLOSES)
    list(create("course.toml"))
    twin = competition.load("results/course_private/course_private.toml")
    assert abs((twin.splits.forget.start or 0) - 1560) >= 64
    assert np.isclose(twin.training.learning_rate, 1e-2)
