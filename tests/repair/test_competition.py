"""A repair competition's TOML: what is refused, and with which message."""

import pytest

from harness.repair import competition
from harness.sources import CompetitionError


def load(folder, text):
    path = folder / "mine.toml"
    path.write_text(f'extends = "digits_repair"\n{text}')
    return competition.load(str(path))


def test_the_shipped_one_is_read():
    shipped = competition.load("digits_repair")
    assert shipped.evaluation.seeds >= 30
    assert shipped.evaluation.forget == round(shipped.flips.share * shipped.splits.train)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flips.sahre = 0.1", "unknown key flips.sahre"),
        ("flips.share = 0", r"flips.share = 0 must lie in \(0, 1\)"),
        ("flips.share = '20 %'", "flips.share: expected float, got str"),
        ("splits.query = 0", "splits.query = 0 must be positive"),
        ("splits.seed = -1", "splits.seed = -1 cannot be negative"),
        ("evaluation.forget = 900", "evaluation.forget = 900 is more than half of the 800"),
        ("evaluation.forget = 401", "choose a smaller one"),
        ("evaluation.seeds = 1", "an interval needs at least 2"),
        ('evaluation.treatments = ["finetune"]', "lacks 'retrain'"),
        ('evaluation.require_isolation = "high"', "is none of none, partial, full"),
        ("evaluation.limits.seconds = 0", "evaluation.limits.seconds = 0 must be positive"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path, text, said):
    with pytest.raises(CompetitionError, match=said) as error:
        load(tmp_path, text)
    assert "mine.toml" in str(error.value)


def test_the_fingerprint_follows_what_is_trained_alone(tmp_path):
    plain = load(tmp_path, "")
    assert load(tmp_path, "evaluation.seeds = 3").fingerprint("d") == plain.fingerprint("d")
    assert load(tmp_path, "flips.share = 0.1").fingerprint("d") != plain.fingerprint("d")
    assert plain.fingerprint("other data") != plain.fingerprint("d")
