"""Draws the report's plots as SVG in the colours of the page around it.

matplotlib draws them: the field knows it, it needs no browser, and its SVG is small enough for some
ten plots per submission. An interactive library would put 3 to 4 MB of JavaScript into every page.
Text stays text. Lines and letters have the page's own colour in light and dark, and the two colours
of data stand out from both. Unlearned models are filled and retrained ones are outlines, so that
nothing depends on colour alone.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import image, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# At least 3.6 to 1 against white and against the dark page.
UNLEARNED = "#d2691e"
RETRAINED = "#3b82c4"
_INK = "#010203"  # a colour in no plot's data, so that it can be found and replaced
_WIDTH = 3.5  # inches: a phone's width, so that letters keep their size on one
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_LEAST = 1e-4  # the lowest start of the scores' axis
_BINS = 50
_BEYOND = 0.002  # fraction of the values at each end that share the outermost bin


def score_limits(scores: Sequence[float]) -> tuple[float, float]:
    """Ends of the leaderboard's axis: powers of ten from 0.0001 up, to a little above 1."""
    low = 10.0 ** math.floor(math.log10(max(min(scores, default=0.1), _LEAST)))
    return low, 1.25 * max([1.0, *scores])


@rc_context(_STYLE)
def interval(
    value: float,
    low: float,
    high: float,
    limits: tuple[float, float],
    lines: Sequence[float],
    label: str,
) -> Markup:
    """A score and its interval on the leaderboard's axis; values beyond it lie at its end."""
    figure, axes = _score_axes(limits)
    for line in lines:
        axes.axvline(np.clip(line, *limits), color=_INK, linewidth=0.6, linestyle=":")
    axes.set_position((0.05, 0, 0.92, 1))
    ends = np.clip([low, high], *limits)
    axes.plot(ends, [0, 0], color=UNLEARNED, linewidth=2.5, solid_capstyle="butt")
    axes.plot(np.clip([value], *limits), [0], "o", color=UNLEARNED, markersize=4, clip_on=False)
    return _svg(figure, label)


@rc_context(_STYLE)
def interval_axis(limits: tuple[float, float]) -> Markup:
    """The axis that the intervals share."""
    figure, axes = _score_axes(limits)
    axes.set_position((0.05, 0.75, 0.92, 0.25))
    ticks = [tick for tick in (1, 0.1, 0.01, 0.001, 0.0001) if tick >= limits[0]]
    every = 1 if len(ticks) <= 3 else 2  # so that labels do not touch
    labels = [
        f"{tick:.4f}".rstrip("0").rstrip(".") if i % every == 0 else ""
        for i, tick in enumerate(ticks)
    ]
    axes.set_xticks(ticks, labels, fontsize=9)
    axes.tick_params(length=2, pad=1)
    axes.spines["bottom"].set_visible(True)
    return _svg(figure, "logarithmic axis of the score; the line at 1 is retraining")


@rc_context(_STYLE)
def distributions(unlearned: np.ndarray, retrained: np.ndarray, what: str, label: str) -> Markup:
    """Values [N, F], named `what`, of all examples and models together."""
    figure, axes = _axes(_WIDTH, 2.1)
    _histograms(axes, unlearned, retrained, _BINS)
    axes.set(xlabel=what, ylabel="density")
    axes.legend(loc="upper left")
    _headroom(axes)
    return _svg(figure, label)


@rc_context(_STYLE)
def example(unlearned: np.ndarray, retrained: np.ndarray, original: float, label: str) -> Markup:
    """Confidences [N] of one forget example, and the original model's."""
    figure, axes = _axes(_WIDTH, 1.1, layout=None)
    axes.set_position((0.02, 0.2, 0.96, 0.78))
    _histograms(axes, unlearned, retrained, 30)
    axes.axvline(original, color=_INK, linewidth=1, linestyle=":")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return _svg(figure, label)


@rc_context(_STYLE)
def epsilons(found: np.ndarray, ceiling: np.ndarray | None, label: str) -> Markup:
    """Epsilons [F] of the examples, and those that a second retrained pool gets."""
    figure, axes = _axes(_WIDTH, 2.1)
    both = found if ceiling is None else np.concatenate([found, ceiling])
    edges = np.linspace(0, max(float(both.max()), 1.0) * 1.0001, 31)
    axes.stairs(
        np.histogram(found, edges)[0], edges, fill=True, color=UNLEARNED, alpha=0.75,
        label="unlearned",
    )  # fmt: skip
    if ceiling is not None:
        axes.stairs(
            np.histogram(ceiling, edges)[0], edges, color=RETRAINED, linewidth=1.4,
            label="retrained once more",
        )  # fmt: skip
    axes.set(xlabel="epsilon (nats)", ylabel="forget examples", xlim=(0, edges[-1]))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.legend(loc="upper right")
    _headroom(axes)
    return _svg(figure, label)


@rc_context(_STYLE)
def attackers(wins: Mapping[str, int], label: str) -> Markup:
    """On how many examples each attacker is the best."""
    figure, axes = _axes(_WIDTH, 0.75 + 0.22 * len(wins))
    bars = axes.barh(list(wins), list(wins.values()), color=UNLEARNED, alpha=0.75, height=0.6)
    axes.bar_label(bars, padding=3)
    axes.set_ylim(len(wins) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="forget examples", xlim=(0, 1.12 * max(wins.values())))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return _svg(figure, label)


@rc_context(_STYLE)
def compared(epsilons: Mapping[str, pd.Series], label: str) -> Markup:
    """Each attacker's epsilons [F]: the median, half and four fifths of them, and all points."""
    figure, axes = _axes(_WIDTH, 0.75 + 0.3 * len(epsilons))
    for place, found in enumerate(epsilons.values()):
        least, low, median, high, most = np.quantile(found, [0.1, 0.25, 0.5, 0.75, 0.9])
        spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(found))
        axes.plot(
            found, place + spread, "o", color=_INK, alpha=0.35, markersize=1.8, mew=0,
            rasterized=True,
        )  # fmt: skip
        axes.plot([least, most], [place] * 2, color=UNLEARNED, linewidth=1.5)
        axes.plot([low, high], [place] * 2, color=UNLEARNED, linewidth=5, solid_capstyle="butt")
        axes.plot([median], [place], "|", color=_INK, markersize=11, mew=1.5)
    axes.set_yticks(range(len(epsilons)), list(epsilons))
    axes.set_ylim(len(epsilons) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("epsilon (nats)")
    axes.set_xlim(left=min(0, axes.get_xlim()[0]))
    return _svg(figure, label)


@rc_context(_STYLE)
def per_run(
    unlearned: tuple[np.ndarray, np.ndarray],
    retrained: tuple[np.ndarray, np.ndarray],
    original: tuple[np.ndarray, np.ndarray],
    label: str,
) -> Markup:
    """One point per model: forget accuracy [N] and mean confidence [N] of each pool.

    Accuracies on F examples take F + 1 values, so points are spread sideways to be visible.
    """
    figure, axes = _axes(_WIDTH, 2.4)
    steps = np.diff(np.unique(np.concatenate([unlearned[0], retrained[0]])))
    width = 0.7 * steps.min() if steps.size else 0.0
    rings, dots = (
        (accuracy + np.random.default_rng(0).uniform(-width / 2, width / 2, len(accuracy)), phi)
        for accuracy, phi in (retrained, unlearned)
    )
    # A thousand points take a tenth of the space as pixels.
    style: Any = {"linestyle": "", "markersize": 3.5, "rasterized": True}
    axes.plot(*dots, "o", color=UNLEARNED, alpha=0.6, mew=0, label="unlearned", **style)
    axes.plot(*rings, "o", color=RETRAINED, mfc="none", mew=0.7, label="retrained", **style)
    axes.plot(*original, "x", color=_INK, markersize=6, label="original")
    axes.set(xlabel="forget accuracy of a model", ylabel="mean confidence (logits)")
    axes.margins(0.08)
    figure.legend(loc="outside upper left", ncols=3)
    return _svg(figure, label)


@rc_context(_STYLE)
def curves(lines: Mapping[str, tuple[Sequence[float], np.ndarray]], across: str, up: str) -> Markup:
    """Lines by name, each with its places and [points, 3]: value, low end and high end."""
    figure, axes = _axes(_WIDTH, 3.2)
    for i, (name, (places, values)) in enumerate(lines.items()):
        value, low, high = values.T
        axes.errorbar(
            places, value, [value - low, high - value], label=name, color=f"C{i % 10}",
            marker="os^vD<>Pph"[i % 10], markersize=3.5, linewidth=1.2, elinewidth=0.6,
        )  # fmt: skip
    axes.set(xlabel=across, ylabel=up)
    figure.legend(loc="outside upper left", ncols=2)
    return _svg(figure, f"{up} against {across}")


def picture(pixels: np.ndarray) -> str:
    """An image [channels, height, width] as a data URL, its values stretched to what PNG shows."""
    low, high = float(pixels.min()), float(pixels.max())
    shown = (pixels.astype(np.float64) - low) / ((high - low) or 1.0)
    buffer = io.BytesIO()
    shown = shown.transpose(1, 2, 0)[..., :3]
    image.imsave(buffer, shown if shown.shape[2] == 3 else shown[..., 0], cmap="gray", format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _axes(width: float, height: float, layout: str | None = "constrained") -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout=layout)  # type: ignore[arg-type]
    return figure, figure.add_subplot()


def _score_axes(limits: tuple[float, float]) -> tuple[Figure, Axes]:
    """Logarithmic: an example's points are 2^(−2 epsilon), so equal steps are steps of epsilon."""
    figure, axes = _axes(1.9, 0.24, layout=None)
    axes.set_xscale("log")
    axes.set(xlim=limits, ylim=(-1, 1), yticks=[])
    axes.set_xticks([])
    axes.set_xticks([], minor=True)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.axvline(1, color=_INK, linewidth=0.6)
    return figure, axes


def _histograms(axes: Axes, unlearned: np.ndarray, retrained: np.ndarray, bins: int) -> None:
    both = np.concatenate([unlearned.ravel(), retrained.ravel()])
    low, high = np.quantile(both, [_BEYOND, 1 - _BEYOND])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts = [
        np.histogram(pool.clip(edges[0], edges[-1]), edges)[0] / pool.size / (edges[1] - edges[0])
        for pool in (unlearned, retrained)
    ]
    axes.stairs(counts[0], edges, fill=True, color=UNLEARNED, alpha=0.75, label="unlearned")
    axes.stairs(counts[1], edges, color=RETRAINED, linewidth=1.4, label="retrained")


def _headroom(axes: Axes) -> None:
    """Room for the legend above the highest bar."""
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])


def _svg(figure: Figure, label: str) -> Markup:
    """The figure as an SVG element for a page, with a label for those who cannot see it."""
    buffer = io.StringIO()
    # The names of shapes inside depend on the label, so no two plots of a page share one.
    with rc_context({"svg.hashsalt": label}):
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, dpi=150, metadata=metadata)
    text = buffer.getvalue()
    view = re.search(r'viewBox="([^"]*)"', text)[1]  # type: ignore[index]
    body = text[text.index("</defs>") + len("</defs>") :]  # after a style for the whole page
    # The names of groups are the same in every plot, those of equal images in one.
    body = re.sub(r'(<g|<image [^>]*?) id="[^"]*"', r"\1", body).replace(_INK, "currentColor")
    body = re.sub(r"\s*\n\s*", "\n", body)
    body = re.sub(r'(?<=[ "(]|-)(\d+\.\d\d)\d+(?=[ "\n])', r"\1", body)  # of a point, and no text
    opening = Markup('<svg role="img" aria-label="{}" viewBox="{}">').format(label, view)
    return opening + Markup(body.strip())
