"""The rules for teams: when a competition is open, how often they may try, which attempt counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

COUNTS = ("best", "last")


@dataclass(frozen=True)
class Rules:
    """What teams may do, as the TOML's table `teams` says.

    Attributes
    ----------
    opens, closes : datetime or date, optional
        A competition opens at the start of a day, and closes at the end of one. Without an
        offset they are in `time_zone`.
    time_zone : str, optional
        Such as "Europe/Berlin". Days begin at its midnight; if None, at that of the offset of
        `opens` or of `closes`.
    attempts_per_day : int, optional
        Of each team; any number if None.
    counts : {"best", "last"}
        Which of a team's scored attempts is its place on the board.
    private_of : str, optional
        The competition whose attempts are evaluated once more, and only after it closed.
    """

    opens: Any = None
    closes: Any = None
    time_zone: str | None = None
    attempts_per_day: int | None = None
    counts: str = "best"
    private_of: str | None = None

    def __post_init__(self) -> None:
        if self.counts not in COUNTS:
            raise ValueError(f"counts = {self.counts!r} is none of {', '.join(COUNTS)}")
        if self.attempts_per_day is not None and self.attempts_per_day < 1:
            raise ValueError(f"attempts_per_day = {self.attempts_per_day} must be positive")
        if self.opening and self.closing and self.opening >= self.closing:
            raise ValueError(f"closes = {self.closes} is not after opens = {self.opens}")
        if self.private_of is not None and self.closing is None:
            raise ValueError("closes is missing: a private twin is evaluated only after that")
        _ = self.zone

    @property
    def opening(self) -> datetime | None:
        """The first moment that counts."""
        return self._moment("opens", self.opens, timedelta(0))

    @property
    def closing(self) -> datetime | None:
        """The moment from which on nothing counts."""
        return self._moment("closes", self.closes, timedelta(days=1))

    @property
    def zone(self) -> tzinfo:
        """The time zone of its days."""
        if self.time_zone is not None:
            try:
                return ZoneInfo(self.time_zone)
            except (KeyError, ValueError, OSError):
                raise ValueError(
                    f'no time_zone {self.time_zone!r}; write one such as "Europe/Berlin", or "UTC"'
                ) from None
        said = [m.tzinfo for m in (self.opening, self.closing) if m is not None and m.tzinfo]
        if not said and self.attempts_per_day is not None:
            raise ValueError('time_zone is missing: say when a day begins, as in "Europe/Berlin"')
        return said[0] if said else ZoneInfo("UTC")

    def _moment(self, key: str, value: Any, day: timedelta) -> datetime | None:
        """An aware time; `day` is how much of a whole day has passed."""
        if value is None:
            return None
        if not isinstance(value, date):
            raise ValueError(f"{key} = {value!r} should be a date or a time, without quotes")
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value
        if self.time_zone is None:
            raise ValueError(
                f'{key} = {value} is in no time zone: add time_zone, such as "Europe/Berlin"'
            )
        if not isinstance(value, datetime):
            value = datetime.combine(value + day, time())
        return value.replace(tzinfo=self.zone)
