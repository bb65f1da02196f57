"""No trick scores above the honest submission underneath it, within the intervals."""

import pytest

from tests.cheats._play import TRICKS, honest, player, written
from tests.small import small_competition


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("cheats")


@pytest.fixture(scope="module")
def play(trained, workspace):
    with player(*small_competition(trained), workspace) as play:
        yield play


@pytest.mark.parametrize("trick", [t for t in TRICKS if not t.gains], ids=str)
def test_a_trick_does_not_pay(play, workspace, trick):
    cheat, underneath = play(written(trick, workspace)), play(honest(trick.under))
    assert cheat.value <= underneath.high
    assert cheat.strict.value <= underneath.strict.high


@pytest.mark.parametrize("trick", [t for t in TRICKS if t.gains], ids=str)
def test_what_brings_distributions_closer_stays_far_from_retraining(play, workspace, trick):
    assert play(written(trick, workspace)).value < 0.6
