"""The plots: marks where their values say, whatever the values; pictures of any range."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from harness.report import figures
from harness.report.svg import Plot, ticks

N, F = 512, 64
RNG = np.random.default_rng(0)
PHI = RNG.normal(3, 2, size=(N, F))


def drawn(plot) -> str:
    text = plot.__html__()
    assert text.count("</svg>") == 1
    assert not re.search("nan|inf", text)
    return text


@pytest.mark.parametrize(
    "phi",
    [PHI, np.ones((N, F)), np.where(np.arange(N) == 0, 103.6, 1.0)[:, None] * np.ones((N, F))],
    ids=["spread", "constant", "spike"],
)
def test_any_confidences_can_be_drawn(phi):
    pools = {"unlearned": phi, "retrained": PHI, "original": PHI[:1]}
    drawn(figures.distributions(pools, "phi", "all"))
    drawn(figures.distributions(pools | {"retrained": phi}, "phi", "all again"))
    one = {kind: pool[:, 0] for kind, pool in pools.items()}
    drawn(figures.example(one | {"original": np.array([-103.6])}, "one"))


def test_a_plot_puts_marks_where_their_values_are():
    plot = Plot("two bars", (0, 10), (0, 4), height=200)
    left, right = plot.x(0), plot.x(10)
    assert (right, plot.y(4)) == (340, 8)
    assert plot.x(5) == (left + right) / 2
    plot.stairs(np.array([1, 4]), np.array([0, 5, 10]), "unlearned")
    low, middle = plot.y(1), (left + right) / 2
    path = f"M{left:g} 180V{low:g}H{middle:g}V8H340V180"
    assert f'<path class="area unlearned" d="{path}"/>' in drawn(plot)


def test_each_pool_is_drawn_where_its_own_values_lie():
    low, high = RNG.uniform(0, 1, (N, F)), RNG.uniform(9, 10, (N, F))
    pools = {"unlearned": low, "retrained": high, "original": high[:1]}
    one = {kind: pool[:, 0] for kind, pool in pools.items()}
    for plot in (
        figures.distributions(pools, "phi", "all"),
        figures.example(one, "one"),
        figures.epsilons(low[0], high[0], "epsilons"),
    ):
        for kind, least, most in (("unlearned", 0, 1.5), ("retrained", 8.5, 10)):
            (path,) = re.findall(f'class="area {kind}" d="([^"]*)"', drawn(plot))
            bars = re.findall(r"V([\d.]+)H([\d.]+)", path)
            right_ends = [float(x) for y, x in bars if float(y) < plot.y(0) - 1]
            assert len(right_ends) > 1
            assert plot.x(least) < min(right_ends) < max(right_ends) < plot.x(most) + 12


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-7.1, 11, 7, [-5, 0, 5, 10]),
        (0.85, 0.97, 7, [0.86, 0.88, 0.9, 0.92, 0.94, 0.96]),
        (0, 64, 5, [0, 20, 40, 60]),
    ],
)
def test_ticks_are_round_and_few(low, high, most, expected):
    assert ticks(low, high, most) == pytest.approx(expected)


def test_thousands_of_points_stay_small():
    points = RNG.integers(40, 64, N) / 64, PHI.mean(axis=1)
    pools = {"unlearned": points, "retrained": points, "original": (np.ones(1), np.ones(1))}
    assert len(drawn(figures.per_run(pools, "runs"))) < 30_000
    many = {"gaussian raw": RNG.gamma(2, size=100_000)}
    assert len(drawn(figures.strips(many, "epsilon", "many"))) < 10_000


@pytest.mark.parametrize("found", [np.zeros(F), RNG.gamma(2, size=F)])
@pytest.mark.parametrize("ceiling", [None, np.zeros(F)])
def test_any_epsilons_can_be_drawn(found, ceiling):
    text = drawn(figures.epsilons(found, ceiling, "epsilons"))
    assert ("area retrained" in text) == (ceiling is not None)
    drawn(figures.strips({"confidence": found, "gaussian": 2 * found}, "epsilon", "compared"))


def test_any_accuracies_can_be_drawn():
    pools = {"unlearned": np.ones(N), "retrained": np.ones(N), "original": np.ones(1)}
    drawn(figures.accuracies({"forget": pools, "test": pools}, "equal"))


def test_words_of_others_are_escaped():
    text = drawn(figures.attackers({"<i>": 3, "nothing told": 61}, '<b> & "more"\x1b'))
    assert 'aria-label="&lt;b&gt; &amp; &#34;more&#34;\\x1b"' in text
    assert ">&lt;i&gt;<" in text


def test_the_scores_axis_begins_below_the_floor():
    assert figures.score_limits([0.0, 0.5], 0.001) == pytest.approx((0.0008, 1.25))
    assert figures.score_limits([0.5, 1.2], None) == pytest.approx((0.4, 1.5))
    assert figures.score_limits([], None)[1] == 1.25


def test_an_interval_is_drawn_on_both_axes():
    marks = figures.interval(0.01, 0.1, 1.0, (0.01, 1), {"floor": 0.01}, "<x>")
    assert marks.count('aria-label="&lt;x&gt;"') == 2
    log, linear = (re.findall(r'line unlearned" d="M([\d.]+) 22H([\d.]+)', part) for part in (
        marks.split("</svg>")[:2]
    ))  # fmt: skip
    assert log == [("2.0", "258.0")]
    assert linear == [("4.6", "258.0")]  # a hundredth of 256 beside the start
    assert re.findall(r'line median" d="M([\d.]+)', marks) == ["130.0", "27.6"]


def test_names_of_lines_that_lie_close_are_joined():
    axis = figures.interval_axis((0.0008, 1.25), {"retraining": 1, "floor": 0.001, "noise": 0.0011})
    assert ">floor, noise<" in axis.partition("</svg>")[0]
    assert ">retraining<" in axis


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_stretched_to_what_can_be_seen(channels):
    pixels = np.linspace(-2, 3, channels * 12).reshape(channels, 3, 4).astype(np.float32)
    shown = decoded(figures.picture(pixels))
    assert shown.shape[:2] == (3, 4)
    assert (shown.min(), shown.max()) == (0, 255)


def test_a_picture_of_one_value_can_be_drawn_and_a_large_one_is_shrunk():
    assert decoded(figures.picture(np.ones((1, 2, 2), np.float32))).shape == (2, 2)
    assert decoded(figures.picture(np.ones((3, 200, 100), np.float32), 50)).shape == (50, 25, 3)


def decoded(url: str) -> np.ndarray:
    kind, _, content = url.partition(",")
    assert kind == "data:image/png;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(content))))


def test_curves_name_every_line_and_draw_its_interval():
    values = np.array([[0.5, 0.4, 0.6], [0.7, 0.65, 0.75]])
    text = figures.curves({"one": ([10, 20], values), "<two>": ([10, 20], values)}, "K", "accuracy")
    assert 'aria-label="accuracy against K"' in text
    assert ">1 one</span>" in text
    assert ">2 &lt;two&gt;</span>" in text
    assert text.count('class="line curve0 thin"') == 2
