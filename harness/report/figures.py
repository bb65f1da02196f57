"""Draws what the report shows: confidences, epsilons, accuracies, runs, a score's interval."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from PIL import Image

from harness.report.svg import Plot, number

_LEAST = 1e-4  # the lowest start of the scores' axis, where there is no floor
_BINS = 50
_BEYOND = 0.002  # fraction of the values at each end that share the outermost bin
_SHOWN = 200  # points of a strip; of more, as many evenly spread ones
_MARK = 260, 44  # width and height of an interval on the board

Pools = Mapping[str, np.ndarray]  # by kind: `unlearned`, `retrained`, `original`


def distributions(pools: Pools, across: str, label: str) -> Plot:
    """Values [N, F] of all examples and models together; the original's [F] as strokes on top."""
    edges, shares = _histograms(pools, _BINS)
    plot = Plot(label, (edges[0], edges[-1]), (0, _most(shares)), across=across, up="density")
    for kind, heights in shares.items():
        plot.stairs(heights, edges, kind)
    if "original" in pools:
        before = np.sort(pools["original"].ravel()).clip(edges[0], edges[-1])
        plot.rug(_thinned(before), "original")
    return plot


def example(pools: Pools, label: str) -> Plot:
    """Values [N] of one forget example, and the original model's [1]."""
    edges, shares = _histograms(pools, 30)
    limits = edges[0], edges[-1]
    plot = Plot(label, limits, (0, _most(shares)), height=110, y_ticks=False)
    for kind, heights in shares.items():
        plot.stairs(heights, edges, kind)
    plot.across(float(pools["original"][0].clip(*limits)), "original")
    return plot


def epsilons(found: np.ndarray, ceiling: np.ndarray | None, label: str) -> Plot:
    """Epsilons [F] of the examples, and those that a second retrained pool gets."""
    both = found if ceiling is None else np.concatenate([found, ceiling])
    edges = np.linspace(0, max(float(both.max()), 1.0) * 1.0001, 31)
    counts = {"unlearned": np.histogram(found, edges)[0]}
    if ceiling is not None:
        counts["retrained"] = np.histogram(ceiling, edges)[0]
    most = max(_most(counts), 5.0)  # so that the axis has whole numbers
    plot = Plot(label, (0, edges[-1]), (0, most), across="epsilon (nats)", up="forget examples")
    for kind, heights in counts.items():
        plot.stairs(heights, edges, kind)
    return plot


def attackers(wins: Mapping[str, int], label: str) -> Plot:
    """On how many examples each attacker is the best."""
    most = max(wins.values())
    plot = Plot(
        label, (0, max(1.12 * most, 7)), (0, 1), across="forget examples", names=list(wins),
        height=46 + 20 * len(wins),
    )  # fmt: skip
    for place, count in enumerate(wins.values()):
        plot.bar(0, count, place, "unlearned")
        plot.text(count + 0.01 * most, place, f"{count}")
    return plot


def strips(values: Mapping[str, np.ndarray], across: str, label: str) -> Plot:
    """A name's values [F]: the median, half and four fifths of them, and points."""
    low = min(0.0, *(float(found.min()) for found in values.values()))
    high = max(1.0, *(float(found.max()) for found in values.values()))
    plot = Plot(
        label, (low, 1.02 * high), (0, 1), across=across, names=list(values),
        height=46 + 24 * len(values),
    )  # fmt: skip
    for place, found in enumerate(values.values()):
        least, start, median, end, most = np.quantile(found, [0.1, 0.25, 0.5, 0.75, 0.9])
        points = _thinned(np.sort(found))
        spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(points))
        plot.dots(points, place + spread, "faint")
        plot.bar(least, most, place, "unlearned", 1.5)
        plot.bar(start, end, place, "unlearned", 7)
        plot.across(float(median), "median", place)
    return plot


def accuracies(splits: Mapping[str, Pools], label: str) -> Plot:
    """Accuracies [N] by split: four fifths of a pool's models as a bar, their mean as a stroke."""
    ends = [np.quantile(pool, [0.1, 0.9]) for pools in splits.values() for pool in pools.values()]
    low, high = float(np.min(ends)), float(np.max(ends))
    margin = 0.04 * max(high - low, 0.02)
    plot = Plot(
        label, (low - margin, high + margin), (0, 1), across="accuracy of a model",
        names=list(splits), height=46 + 34 * len(splits),
    )  # fmt: skip
    for place, pools in enumerate(splits.values()):
        for kind, shift in (("unlearned", -0.18), ("retrained", 0.18)):
            start, end = np.quantile(pools[kind], [0.1, 0.9])
            plot.bar(start, end, place + shift, kind, 9)
            plot.across(float(pools[kind].mean()), "median", place + shift)
        plot.across(float(pools["original"].mean()), "original", place)
    return plot


def per_run(pools: Mapping[str, tuple[np.ndarray, np.ndarray]], label: str) -> Plot:
    """One point per model: forget accuracy [N] and mean confidence [N] of each pool.

    Accuracies on F examples take F + 1 values, so points are spread sideways to be visible.
    """
    steps = np.diff(np.unique(np.concatenate([pools[kind][0] for kind in pools])))
    width = 0.7 * steps.min() if steps.size else 0.0
    spread = {
        kind: (accuracy + np.random.default_rng(0).uniform(-0.5, 0.5, len(accuracy)) * width, phi)
        for kind, (accuracy, phi) in pools.items()
    } | {"original": pools["original"]}
    every = [np.concatenate(values) for values in zip(*spread.values(), strict=True)]
    (left, right), (low, high) = ((float(v.min()), float(v.max())) for v in every)
    beside, above = 0.03 * max(right - left, 0.02), 0.05 * max(high - low, 0.1)
    plot = Plot(
        label, (left - beside, right + beside), (low - above, high + above),
        across="forget accuracy of a model", up="mean confidence", height=230,
    )  # fmt: skip
    for kind in ("retrained", "unlearned", "original"):
        plot.dots(*spread[kind], kind)
    return plot


def curves(lines: Mapping[str, tuple[Sequence[float], np.ndarray]], across: str, up: str) -> Markup:
    """Lines by name, each with its places and [points, 3]: value, low end and high end."""
    places = [place for own, _ in lines.values() for place in own]
    values = np.concatenate([own for _, own in lines.values()])
    (left, right), (low, high) = (min(places), max(places)), (values.min(), values.max())
    beside, above = 0.03 * ((right - left) or 1), 0.05 * ((high - low) or 1)
    plot = Plot(
        f"{up} against {across}", (left - beside, right + beside), (low - above, high + above),
        across=across, up=up, height=240,
    )  # fmt: skip
    legend = Markup("")
    for i, (name, (own, points)) in enumerate(lines.items()):
        kind = f"curve{i % 8}"
        plot.lines(own, points[:, 0].tolist(), kind)
        for place, (value, start, end) in zip(own, points, strict=True):
            plot.lines([place, place], [start, end], f"{kind} thin")
            plot.dots(np.array([place]), np.array([value]), kind)
        plot.text(
            own[-1], points[-1, 0], f"\u2002{i + 1}"
        )  # so that nothing depends on colour alone
        legend += Markup('<span class="{} key">{} {}</span> ').format(kind, i + 1, name)
    return Markup('{}<p class="keys">{}</p>').format(plot, legend)


def score_limits(scores: Sequence[float], floor: float | None) -> tuple[float, float]:
    """Ends of the logarithmic axis: from just below the floor, where it is known, to above 1."""
    low = floor * 0.8 if floor else max(min(scores, default=0.1) * 0.8, _LEAST)
    return low, 1.25 * max([1.0, *scores])


def interval(
    low: float,
    value: float,
    high: float,
    limits: tuple[float, float],
    lines: Mapping[str, float],
    label: str,
) -> Markup:
    """A score between the ends of its interval, and the board's lines, on both axes of scores."""
    drawn, middle = Markup(""), _MARK[1] // 2
    for axis, place in _axes(limits).items():
        start, at, end = map(place, (low, value, high))
        strokes = "".join(f"M{place(line)} 0V{_MARK[1]}" for line in lines.values())
        drawn += Markup(
            '<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">'
            '<path class="line mark" d="{}"/><path class="line unlearned" d="M{} {m}H{}"/>'
            '<path class="line median" d="M{} {}v12"/></svg>'
        ).format(axis, label, *_MARK, strokes, start, end, at, middle - 6, m=middle)
    return drawn


def interval_axis(limits: tuple[float, float], lines: Mapping[str, float]) -> Markup:
    """The two axes that intervals share, with names for the board's lines."""
    powers = [10.0**power for power in range(math.ceil(math.log10(limits[0])), 1)]
    marks = {"log": powers, "linear": [tenth / 5 for tenth in range(int(5 * limits[1]) + 1)]}
    drawn = Markup("")
    for axis, place in _axes(limits).items():
        told = sorted((place(line), name) for name, line in lines.items())
        texts = [
            Markup('<text x="{}" y="30" text-anchor="{}">{}</text>').format(
                place(tick), "start" if place(tick) < 8 else "middle", number(tick)
            )
            for tick in marks[axis]
        ] + [
            Markup('<text class="name" x="{}" y="9" text-anchor="{}">{}</text>').format(
                at, "start" if at < 60 else "end" if at > _MARK[0] - 60 else "middle", name
            )
            for at, name in _apart(told)
        ]
        path = f"M0 18H{_MARK[0]}" + "".join(f"M{place(tick)} 15v6" for tick in marks[axis])
        path += "".join(f"M{at} 11V18" for at, _ in told)
        drawn += Markup(
            '<svg class="{}" role="img" aria-label="{} axis of the score" viewBox="0 0 {} 34">'
            '<path class="axis" d="{}"/>{}</svg>'
        ).format(axis, axis, _MARK[0], path, Markup("").join(texts))
    return drawn


def picture(pixels: np.ndarray, largest: int = 128) -> str:
    """An image [channels, height, width] as a data URL, its values stretched to what PNG shows.

    Sides longer than `largest` are shrunk to it.
    """
    low, high = float(pixels.min()), float(pixels.max())
    shown = (pixels.astype(np.float64) - low) / ((high - low) or 1.0)
    levels = (255 * shown).round().astype(np.uint8).transpose(1, 2, 0)[..., :3]
    image = Image.fromarray(levels if levels.shape[2] == 3 else levels[..., 0])
    image.thumbnail((largest, largest))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _axes(limits: tuple[float, float]) -> dict:
    """Where on the board's two axes a score lies; what is beyond them lies at their ends."""
    low, high = limits
    ends = 2, _MARK[0] - 2  # a dot at an end stays inside
    across, decades = ends[1] - ends[0], math.log10(high / low)

    def log(score: float) -> float:
        inside = min(max(score, low), high)
        return round(ends[0] + across * math.log10(inside / low) / decades, 1)

    def linear(score: float) -> float:
        return round(ends[0] + across * min(max(score, 0.0), high) / high, 1)

    return {"log": log, "linear": linear}


def _apart(names: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Names by place, joined where they would overlap."""
    joined: list[tuple[float, str]] = []
    for place, name in names:
        if joined and place - joined[-1][0] < 7 * len(joined[-1][1]):
            joined[-1] = (joined[-1][0], f"{joined[-1][1]}, {name}")
        else:
            joined.append((place, name))
    return joined


def _histograms(pools: Pools, bins: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    drawn = {kind: pools[kind] for kind in ("unlearned", "retrained")}
    both = np.concatenate([pool.ravel() for pool in drawn.values()])
    low, high = np.quantile(both, [_BEYOND, 1 - _BEYOND])
    limits = float(low), float(high) if high > low else float(low) + 1
    # Equal bins by their number, which numpy counts in a quarter of the time.
    shares = {
        kind: np.histogram(pool.clip(*limits), bins, limits, density=True)[0]
        for kind, pool in drawn.items()
    }
    return np.linspace(*limits, bins + 1), shares


def _most(heights: Mapping[str, np.ndarray]) -> float:
    return 1.08 * max(float(own.max()) for own in heights.values())


def _thinned(ordered: np.ndarray) -> np.ndarray:
    """At most so many of them that a strip shows, evenly spread."""
    kept = np.linspace(0, len(ordered) - 1, min(_SHOWN, len(ordered))).round().astype(int)
    return ordered[kept]
