"""The plots: small, deterministic, whatever the values; pictures of any range."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib import image

from harness.report import figures

N, F = 512, 64
RNG = np.random.default_rng(0)
PHI = RNG.normal(3, 2, size=(N, F))


@pytest.mark.parametrize(
    "phi",
    [PHI, np.ones((N, F)), np.where(np.arange(N) == 0, 103.6, 1.0)[:, None] * np.ones((N, F))],
    ids=["spread", "constant", "spike"],
)
def test_any_confidences_can_be_drawn(phi):
    for drawn in (
        figures.distributions(phi, PHI, "phi", "all"),
        figures.distributions(phi, phi, "phi", "all again"),
        figures.example(phi[:, 0], PHI[:, 0], -103.6, "one"),
    ):
        assert drawn.count("</svg>") == 1
        assert "nan" not in drawn


def test_thousands_of_points_stay_small():
    points = RNG.integers(40, 64, N) / 64, PHI.mean(axis=1)
    drawn = figures.per_run(points, points, (np.ones(1), np.ones(1)), "runs")
    assert len(drawn) < 100_000


@pytest.mark.parametrize("found", [np.zeros(F), RNG.gamma(2, size=F)])
@pytest.mark.parametrize("ceiling", [None, np.zeros(F)])
def test_any_epsilons_can_be_drawn(found, ceiling):
    drawn = figures.epsilons(found, ceiling, "epsilons")
    assert ("retrained once more" in drawn) == (ceiling is not None)


def test_ink_is_the_pages_own_and_a_label_is_escaped():
    drawn = figures.attackers({"confidence": 3, "nothing told": 61}, '<b> & "more"')
    assert "currentColor" in drawn
    assert figures._INK not in drawn
    assert 'aria-label="&lt;b&gt; &amp; &#34;more&#34;"' in drawn


@pytest.mark.parametrize("found", [np.zeros(F), RNG.gamma(2, size=F)])
def test_attackers_are_compared_in_little_space(found):
    drawn = figures.compared({"confidence": found, "gaussian": 2 * found}, "compared")
    assert {">confidence<", ">gaussian<"} <= set(re.findall(">[a-z]+<", drawn))
    assert "nan" not in drawn
    assert len(drawn) < 50_000


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], (0.1, 1.25)), ([0.5], (0.1, 1.25)), ([0.003, 1.2], (0.001, 1.5)), ([0.0], (1e-4, 1.25))],
)
def test_the_axis_of_the_scores_holds_them_and_1(scores, expected):
    assert figures.score_limits(scores) == pytest.approx(expected)


def test_shapes_of_two_plots_never_share_an_id():
    ids = [
        set(re.findall('id="([^"]*)"', figures.interval(1, 0, 2, (0.1, 2), [0.2], label)))
        for label in ("a", "b")
    ]
    assert ids[0] and ids[1]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_stretched_to_what_can_be_seen(channels):
    pixels = np.linspace(-2, 3, channels * 12).reshape(channels, 3, 4).astype(np.float32)
    url = figures.picture(pixels)
    shown = image.imread(io.BytesIO(base64.b64decode(url.partition(",")[2])), format="png")
    assert shown.shape == (3, 4, 4)
    assert (shown[..., :3].min(), shown[..., :3].max()) == (0, 1)


def test_a_picture_of_one_value_can_be_drawn():
    assert figures.picture(np.ones((1, 2, 2), np.float32)).startswith("data:image/png;base64,")


def test_curves_name_every_line_and_draw_its_interval():
    values = np.array([[0.5, 0.4, 0.6], [0.7, 0.65, 0.75]])
    drawn = figures.curves({"one": ([10, 20], values), "two": ([10, 20], values)}, "K", "accuracy")
    assert 'aria-label="accuracy against K"' in drawn
    assert ">one</text>" in drawn
    assert ">two</text>" in drawn
