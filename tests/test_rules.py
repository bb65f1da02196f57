"""When a competition is open: dates with and without a time, and the zone they are in."""

import tomllib
from datetime import UTC, datetime

import pytest

from harness.rules import Rules
from harness.tables import parse


def rules(text: str) -> Rules:
    return parse(Rules, tomllib.loads(text), "teams")


@pytest.mark.parametrize(
    ("text", "opening", "closing"),
    [
        # Berlin is an hour ahead of UTC in winter, two hours in summer.
        (
            'opens = 2026-10-01\ncloses = 2026-12-01\ntime_zone = "Europe/Berlin"',
            datetime(2026, 9, 30, 22, tzinfo=UTC),
            datetime(2026, 12, 1, 23, tzinfo=UTC),
        ),
        (
            'closes = 2026-12-01T18:00:00\ntime_zone = "Europe/Berlin"',
            None,
            datetime(2026, 12, 1, 17, tzinfo=UTC),
        ),
        ("closes = 2026-12-01T18:00:00-05:00", None, datetime(2026, 12, 1, 23, tzinfo=UTC)),
    ],
)
def test_a_day_counts_whole_and_every_time_is_in_a_zone(text, opening, closing):
    assert (rules(text).opening, rules(text).closing) == (opening, closing)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("closes = 2026-12-01", "closes = 2026-12-01 is in no time zone"),
        ("closes = 2026-12-01T18:00:00", "is in no time zone: add time_zone"),
        ('closes = "tomorrow"', "closes = 'tomorrow' should be a date or a time, without quotes"),
        ("attempts_per_day = 3", "time_zone is missing: say when a day begins"),
        ('attempts_per_day = 0\ntime_zone = "UTC"', "attempts_per_day = 0 must be positive"),
        ('time_zone = "../../etc/passwd"', "no time_zone '../../etc/passwd'"),
        ('counts = "first"', "counts = 'first' is none of best, last"),
        (
            'opens = 2026-12-02\ncloses = 2026-12-01\ntime_zone = "UTC"',
            "closes = 2026-12-01 is not after opens = 2026-12-02",
        ),
        ('private_of = "course"', "closes is missing"),
        ("attempts = 3", "unknown key teams.attempts"),
    ],
)
def test_rules_that_cannot_be_are_refused_by_name(text, said):
    with pytest.raises(ValueError, match=r"teams") as refusal:
        rules(text)
    assert said in str(refusal.value)
