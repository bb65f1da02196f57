"""No trick scores above the honest submission underneath it, within the intervals."""

import pytest

from tests.cheats._play import CHEATS, player, variant
from tests.small import small_competition


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("cheats")


@pytest.fixture(scope="module")
def play(trained, workspace):
    with player(*small_competition(trained), workspace) as play:
        yield play


@pytest.mark.parametrize("name", CHEATS)
def test_a_trick_does_not_pay(play, workspace, name):
    cheat, honest = (play(variant(name, cheats, workspace)) for cheats in (True, False))
    assert cheat.low <= honest.high
    assert cheat.value < 0.5
