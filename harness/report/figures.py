"""The report's plots, as SVG that takes its ink from the page around it.

Drawn with matplotlib, which the field knows, which draws without a browser, and whose SVG is small
enough for some ten plots a submission: an interactive library would put 3 to 4 MB of JavaScript
into every page. Text stays text, lines and letters have the page's own colour in light and dark,
and the two colours of data stand out from both. Unlearned models are filled, retrained ones are
outlines, so that nothing hangs on the colour alone.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import image, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# At least 3.6 to 1 against white and against the dark page.
UNLEARNED = "#d2691e"
RETRAINED = "#3b82c4"
_INK = "#010203"  # of no plot's data, so that it can be found and replaced
_WIDTH = 3.5  # inches: a phone's width, so that letters keep their size there
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
_BINS = 50
_BEYOND = 0.002  # fraction of the values at each end that share the outermost bin


def interval(value: float, low: float, high: float, most: float, label: str) -> Markup:
    """A score and its interval on the leaderboard's axis, from 0 to `most`."""
    figure, axes = _axes(1.9, 0.24, layout=None)
    axes.set_position((0, 0, 1, 1))
    _score_axis(axes, most)
    axes.plot([low, high], [0, 0], color=UNLEARNED, linewidth=2.5, solid_capstyle="butt")
    axes.plot([value], [0], "o", color=UNLEARNED, markersize=5, clip_on=False)
    return _svg(figure, label)


def interval_axis(most: float) -> Markup:
    """The axis that the intervals share."""
    figure, axes = _axes(1.9, 0.24, layout=None)
    axes.set_position((0, 0.75, 1, 0.25))
    _score_axis(axes, most)
    ticks = [tick for tick in (0.01, 0.1, 0.5, 1) if tick <= most]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.tick_params(length=2, pad=1)
    axes.spines["bottom"].set_visible(True)
    return _svg(figure, "square-root axis of the score; the line at 1 is retraining")


def distributions(unlearned: np.ndarray, retrained: np.ndarray, label: str) -> Markup:
    """Confidences [N, F] of all forget examples together."""
    figure, axes = _axes(_WIDTH, 2.1)
    _histograms(axes, unlearned, retrained, _BINS)
    axes.set(xlabel="confidence in the label (logits)", ylabel="density")
    axes.legend(loc="upper left")
    _headroom(axes)
    return _svg(figure, label)


def example(unlearned: np.ndarray, retrained: np.ndarray, original: float, label: str) -> Markup:
    """Confidences [N] of one forget example, and the original model's."""
    figure, axes = _axes(2.3, 0.9)
    _histograms(axes, unlearned, retrained, 30)
    axes.axvline(original, color=_INK, linewidth=1, linestyle=":")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return _svg(figure, label)


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


def attackers(wins: Mapping[str, int], label: str) -> Markup:
    """How many examples each attacker tells most about."""
    figure, axes = _axes(_WIDTH, 0.75 + 0.22 * len(wins))
    bars = axes.barh(list(wins), list(wins.values()), color=UNLEARNED, alpha=0.75, height=0.6)
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="forget examples", xlim=(0, 1.12 * max(wins.values())))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return _svg(figure, label)


def per_run(
    unlearned: tuple[np.ndarray, np.ndarray],
    retrained: tuple[np.ndarray, np.ndarray],
    original: tuple[np.ndarray, np.ndarray],
    label: str,
) -> Markup:
    """One point a model: forget accuracy [N] and mean confidence [N] of each pool."""
    figure, axes = _axes(_WIDTH, 2.4)
    # A thousand points are ten times smaller as pixels than as vectors.
    style: Any = {"linestyle": "", "markersize": 4, "rasterized": True}
    axes.plot(
        *retrained, "o", color=RETRAINED, fillstyle="none", markeredgewidth=0.8,
        label="retrained", **style,
    )  # fmt: skip
    axes.plot(
        *unlearned, "o", color=UNLEARNED, alpha=0.75, markeredgewidth=0, label="unlearned", **style
    )
    axes.plot(*original, "x", color=_INK, markersize=6, label="original")
    axes.set(xlabel="forget accuracy of a model", ylabel="mean confidence (logits)")
    axes.margins(0.08)
    figure.legend(loc="outside upper left", ncols=3)
    return _svg(figure, label)


def picture(pixels: np.ndarray) -> str:
    """An image [channels, height, width] as a data URL, its values stretched to what PNG shows."""
    low, high = float(pixels.min()), float(pixels.max())
    shown = (pixels.astype(np.float64) - low) / ((high - low) or 1.0)
    buffer = io.BytesIO()
    shown = shown.transpose(1, 2, 0)[..., :3]
    image.imsave(buffer, shown if shown.shape[2] == 3 else shown[..., 0], cmap="gray", format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _axes(width: float, height: float, layout: str | None = "constrained") -> tuple[Figure, Axes]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout=layout)  # type: ignore[arg-type]
        return figure, figure.add_subplot()


def _score_axis(axes: Axes, most: float) -> None:
    """Roots keep the many scores near 0 apart, without hiding where 0 is as logarithms do."""
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set(xlim=(0, most), ylim=(-1, 1), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.axvline(1, color=_INK, linewidth=0.6)


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
    """The figure as an SVG element for a page; its label is what those hear who cannot see it."""
    buffer = io.StringIO()
    # The names of shapes inside depend on the label: no two plots of a page share one.
    with rc_context(_STYLE | {"svg.hashsalt": label}):
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, dpi=150, metadata=metadata)
    text = buffer.getvalue()
    view = re.search(r'viewBox="([^"]*)"', text)[1]  # type: ignore[index]
    body = text[text.index("</defs>") + len("</defs>") :]  # after a style for the whole page
    body = re.sub(r'<g id="[^"]*"', "<g", body).replace(_INK, "currentColor")
    body = re.sub(r"\s*\n\s*", "\n", body)
    opening = Markup('<svg role="img" aria-label="{}" viewBox="{}">').format(label, view)
    return opening + Markup(body.strip())
