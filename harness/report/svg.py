"""Draws a plot as SVG: axes with round ticks, and marks in the colours of the page around it.

A page of 200 rows has some 4,000 plots, and a plotting library takes 30 to 100 ms for each. These
take less than one. Marks have the class `unlearned`, `retrained` or `original`, whose colours are
the style sheet's; lines and letters have the page's own. Unlearned models are filled and retrained
ones are outlines, so that nothing depends on colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup, escape

from harness.text import clean

WIDTH = 350
_RIGHT, _TOP, _LETTER = 10, 8, 6  # the last is the width of a letter, roughly
Limits = tuple[float, float]


class Plot:
    """A plot of two axes, to be drawn on.

    Parameters
    ----------
    label : str
        What it shows, for those who cannot see it.
    x, y : (float, float)
        What the axes reach from and to.
    across, up : str
        The names of the axes.
    height : int
        Of all of it, where its width is 350.
    y_ticks : bool
        Whether the vertical axis is drawn.
    names : sequence of str
        Names in the place of the vertical axis, of y = 0, 1, ... from the top.
    """

    def __init__(
        self,
        label: str,
        x: Limits,
        y: Limits,
        *,
        across: str = "",
        up: str = "",
        height: int = 190,
        y_ticks: bool = True,
        names: Sequence[str] = (),
    ) -> None:
        self._label, self._height = label, height
        y_marks = ticks(*y, 5) if y_ticks and not names else []
        longest = max(map(len, [*map(number, y_marks), *names, ""]))
        left = 10 + _LETTER * longest + (14 if up else 0)
        bottom = height - (34 if across else 20)
        y = (len(names) - 0.5, -0.5) if names else y
        self.x, self.y = _scale(x, (left, WIDTH - _RIGHT)), _scale(y, (bottom, _TOP))
        self._parts: list[str] = []
        self._axis(x, left, bottom, across)
        for place in y_marks:
            self._text(left - 6, self.y(place) + 3.5, number(place), "end")
            self._parts.append(f'<path class="axis" d="M{left - 3} {_n(self.y(place))}h3"/>')
        for place, name in enumerate(names):
            self._text(left - 6, self.y(place) + 3.5, name, "end")
        if y_marks or names:
            self._parts.append(f'<path class="axis" d="M{left} {_TOP}V{bottom}"/>')
        if up:
            middle = (bottom + _TOP) / 2
            self._parts.append(
                f'<text text-anchor="middle" transform="translate(10 {middle}) rotate(-90)">'
                f"{escape(clean(up))}</text>"
            )

    def stairs(self, heights: np.ndarray, edges: np.ndarray, kind: str) -> None:
        """Bars [n] without gaps between edges [n + 1]."""
        floor = _n(self.y(0))
        path = "".join(
            f"V{_n(y)}H{_n(x)}"
            for y, x in zip(self.y(np.asarray(heights)), self.x(edges[1:]), strict=True)
        )
        self._path(f"M{_n(self.x(edges[0]))} {floor}{path}V{floor}", f"area {kind}")

    def bar(self, low: float, high: float, place: float, kind: str, thick: float = 10) -> None:
        """A bar along the horizontal axis."""
        x, end, y = self.x(low), self.x(high), self.y(place)
        self._path(f"M{_n(x)} {_n(y - thick / 2)}H{_n(end)}v{_n(thick)}H{_n(x)}z", f"area {kind}")

    def dots(self, x: np.ndarray, y: np.ndarray, kind: str) -> None:
        """A dot for each of two equally long arrays; rings for retrained models."""
        places = zip(self.x(np.asarray(x)), self.y(np.asarray(y)), strict=True)
        path = "".join(f"M{_n(a)} {_n(b)}h0" for a, b in places)
        self._path(path, f"dots {kind}")
        if kind == "retrained":
            self._path(path, "dots hole")

    def lines(self, x: Sequence[float], y: Sequence[float], kind: str) -> None:
        """A line through points."""
        places = [f"{_n(self.x(a))} {_n(self.y(b))}" for a, b in zip(x, y, strict=True)]
        self._path("M" + "L".join(places), f"line {kind}")

    def across(self, x: float, kind: str, y: float | None = None) -> None:
        """A vertical stroke at x: all the way up, or at a name's place."""
        if y is None:
            self._path(f"M{_n(self.x(x))} {_TOP}V{_n(self.y(0))}", f"line {kind}")
        else:
            self._path(f"M{_n(self.x(x))} {_n(self.y(y) - 7)}v14", f"line {kind}")

    def rug(self, x: np.ndarray, kind: str) -> None:
        """A short stroke at the top for each value."""
        path = "".join(f"M{_n(at)} {_TOP}v7" for at in self.x(np.asarray(x)))
        self._path(path, f"line {kind}")

    def text(self, x: float, y: float, words: str, anchor: str = "start") -> None:
        """Words at a place of the axes."""
        self._text(self.x(x), self.y(y) + 3.5, words, anchor)

    def __html__(self) -> Markup:
        opening = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}">').format(
            clean(self._label), WIDTH, self._height
        )
        return opening + Markup("".join(self._parts) + "</svg>")

    def _axis(self, x: Limits, left: int, bottom: int, across: str) -> None:
        marks = ticks(*x, 7)
        strokes = "".join(f"M{_n(self.x(place))} {bottom}v3" for place in marks)
        self._path(f"M{left} {bottom}H{WIDTH - _RIGHT}{strokes}", "axis")
        for place in marks:
            self._text(self.x(place), bottom + 14, number(place), "middle")
        if across:
            self._text((left + WIDTH - _RIGHT) / 2, bottom + 30, across, "middle")

    def _path(self, path: str, kind: str) -> None:
        self._parts.append(f'<path class="{kind}" d="{path}"/>')

    def _text(self, x: float, y: float, words: str, anchor: str) -> None:
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text x="{_n(x)}" y="{_n(y)}"{side}>{escape(clean(words))}</text>')


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most so many round numbers from `low` to `high`."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's number, short."""
    return f"{value:.6g}".replace("-", "−")


def _scale(values: Limits, places: Limits) -> Callable:
    (low, high), (start, end) = values, places
    slope = (end - start) / ((high - low) or 1.0)
    return lambda value: start + slope * (value - low)


def _n(value: float) -> str:
    """A coordinate to a tenth."""
    return f"{value:.1f}".removesuffix(".0")
