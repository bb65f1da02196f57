"""The score: its parts, its interval, its refusals, and the groups of a leaderboard."""

from dataclasses import replace

import numpy as np
import pytest

from harness.epsilon import ForgettingQuality, calibration
from harness.pool import Pool
from harness.scoring import quality, rank_groups, score

FAST = ["confidence", "gaussian", "discriminant"]
F, CLASSES = 4, 3
LABELS = np.array([0, 1, 2, 0])


def pool(seed, n=60, shift=0.0, scale=1.0, retain=0.9, test=0.8):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, F, CLASSES)) * scale
    logits[:, np.arange(F), LABELS] += shift

    def accuracy(mean):
        return np.full(n, mean) + rng.choice([-0.01, 0.01], n) * (mean > 0)

    return Pool(
        logits.astype(np.float32),
        rng.exponential(size=(n, 20)).astype(np.float32),
        accuracy(retain),
        accuracy(0.7),
        accuracy(0.75),
        accuracy(test),
        *calibration(3 * rng.normal(size=(n, 30, CLASSES))),
    )


RETRAINED = pool(0)


def ceiling(n=60, **changes):
    return quality(pool(1, n), RETRAINED, LABELS, **{"attackers": FAST} | changes)


CEILING = ceiling()


def scored(unlearned, against=CEILING, retrained=RETRAINED):
    return score(unlearned, retrained, against, LABELS, FAST)


def test_is_quality_over_ceiling_times_utility():
    unlearned = pool(2, shift=0.5, retain=0.45, test=0.6)
    result, found = scored(unlearned), quality(unlearned, RETRAINED, LABELS, FAST)
    assert result.quality.value == found.value
    assert result.ceiling is CEILING
    assert result.utility == pytest.approx(0.5 * 0.75, rel=0.02)
    assert result.value == found.value / CEILING.value * result.utility
    assert result.low < result.value < result.high
    np.testing.assert_array_equal(result.quality.epsilons, found.epsilons)
    strict = result.strict
    assert strict.value == found.strict.value / CEILING.strict.value * result.utility
    assert found.strict.value <= found.value
    assert strict.low < strict.value < strict.high


def test_its_figures_go_by_the_names_of_the_leaderboard():
    unlearned = pool(2, shift=0.5, retain=0.45)
    unlearned.forget_logits[:, np.arange(F), (LABELS + 1) % CLASSES] += 1
    unlearned.forget_logits[:, np.arange(F), (LABELS + 2) % CLASSES] -= 1
    result = scored(unlearned)
    strict = result.strict
    expected = {
        "score": result.value,
        "score_low": result.low,
        "score_high": result.high,
        "forgetting_quality": result.quality.value,
        "ceiling": result.ceiling.value,
        "utility": result.utility,
        "strict_score": strict.value,
        "strict_score_low": strict.low,
        "strict_score_high": strict.high,
        "strict_ceiling": strict.ceiling.value,
        "strict_epsilon_median": np.median(strict.quality.epsilons),
    }
    assert result.figures() == expected
    assert strict.value < result.value
    assert [*replace(result, strict=None).figures()] == [*expected][:6]


def test_without_attackers_of_logits_there_is_no_strict_score():
    against = ceiling(attackers=["confidence"])
    assert score(pool(2), RETRAINED, against, LABELS, ["confidence"]).strict is None


def test_better_than_retrained_earns_nothing():
    assert scored(pool(2, retain=0.99, test=0.99)).utility == 1


def test_one_ratio_does_not_make_up_for_the_other():
    assert scored(pool(2, retain=0.99, test=0.4)).utility == pytest.approx(0.5, rel=0.02)


def test_a_ceiling_read_from_disk_gives_the_same_score():
    again = ForgettingQuality.from_dict(CEILING.to_dict())
    unlearned = pool(2)
    np.testing.assert_array_equal(scored(unlearned).draws, scored(unlearned, again).draws)


def test_the_second_pool_itself_earns_its_whole_utility():
    result = scored(pool(1))
    assert result.value == result.utility


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_is_a_number_for_models_that_do_nothing(accuracy):
    constant = pool(2, scale=0.0, retain=accuracy, test=accuracy)
    useless = pool(3, retain=0.0, test=0.0)
    for result in (scored(constant), scored(constant, retrained=as_accurate_as(useless))):
        assert np.isfinite([result.value, result.low, result.high, *result.draws]).all()


def as_accurate_as(useless):
    return replace(
        RETRAINED, retain_accuracy=useless.retain_accuracy, test_accuracy=useless.test_accuracy
    )


def test_pools_of_different_sizes():
    unlearned = pool(2, n=40)
    result = scored(unlearned, ceiling(n=40))
    assert 0 < result.low < result.value < result.high


@pytest.mark.parametrize("models", [1, 2])
def test_refuses_too_few_models_and_says_why(models):
    for unlearned, retrained in ((pool(2, models), RETRAINED), (pool(2), pool(0, models))):
        with pytest.raises(ValueError, match=rf"{models} models are too few to estimate error"):
            scored(unlearned, retrained=retrained)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 50}, "n_unlearned = 50, the submission with 60"),
        ({"delta": 1e-4}, "delta = 0.0001, the submission with 1e-05"),
        (
            {"attackers": ["kernel"]},
            r"attackers \[\('kernel', 'raw'\), .* the submission by \[\('confidence', 'raw'\)"
            r".*; measure it again by the same$",
        ),
    ],
)
def test_refuses_a_ceiling_that_was_measured_otherwise(changes, message):
    with pytest.raises(ValueError, match=message):
        scored(pool(2), ceiling(**changes))


def draws(seed, value, deviation=0.05):
    return np.random.default_rng(seed).normal(value, deviation, 200)


def test_rank_groups_follow_significance_not_order():
    values = [0.50, 0.92, 0.90, 0.52]
    groups = rank_groups(values, [draws(i, value) for i, value in enumerate(values)], [False] * 4)
    assert groups == [2, 1, 1, 2]


def test_rows_at_the_floor_are_one_group():
    values = [0.90, 0.0100, 0.0099, 0.0010, 0.0500, 0.0005]
    at_floor = [False, True, False, True, False, True]
    exact = [draws(i, value, 1e-9) for i, value in enumerate(values)]
    assert rank_groups(values, exact, at_floor) == [1, 3, 4, 3, 2, 3]
    # Whether or not their difference is significant, none shares a group with one above the floor.
    equal = [draws(i, 0.5) for i in range(3)]
    for order, groups in (([0, 1, 1], [1, 2, 2]), ([1, 0, 0], [1, 2, 2]), ([0, 1, 0], [1, 2, 3])):
        at_floor = [bool(one) for one in order]
        assert rank_groups([0.51, 0.50, 0.49], equal, at_floor) == groups


def test_at_floor_is_within_a_twentieth_of_the_largest_epsilon():
    found = scored(pool(2, shift=100)).quality
    largest = found.largest_epsilon
    assert found.epsilons == pytest.approx([largest] * F)
    for below, at_floor in ((0.04, True), (0.06, False)):
        epsilons = np.array([largest, largest, largest - below, 0.0])
        median = replace(found, epsilons=np.append(epsilons, largest - below))
        assert replace(scored(pool(2)), quality=median).at_floor == at_floor


def draws_apart(deviation, rows):
    """Draws whose differences all have this standard deviation."""
    signs = np.array([[(-1) ** bin(i & (1 << k)).count("1") for i in range(256)] for k in range(8)])
    return [deviation / np.sqrt(2) * signs[row] for row in range(rows)]


def test_a_row_is_compared_with_the_best_of_its_group_not_with_its_neighbour():
    # Each differs from the next by less than is significant, the first from the third by more.
    values = [0.82, 0.90, 0.78, 0.86, 0.74]
    groups = rank_groups(values, draws_apart(0.02, 5), [False] * 5)
    assert groups == [2, 1, 2, 1, 3]


@pytest.mark.parametrize(("deviations", "groups"), [(2.16, [1, 1]), (2.18, [1, 2])])
def test_two_rows_differ_beyond_the_two_sided_97_percent(deviations, groups):
    # The 98.5th percentile of a Gaussian is 2.1701.
    both = draws_apart(0.01, 2)
    assert rank_groups([0.5, 0.5 - 0.01 * deviations], both, [False] * 2) == groups


@pytest.mark.parametrize(("deviations", "groups"), [(2.52, [1, 1, 1]), (2.55, [1, 2, 2])])
def test_of_three_rows_more_is_asked(deviations, groups):
    # The range of three Gaussians is below 3.589 in 97 % of draws; that over the root of two.
    values = [0.5, 0.5 - 0.01 * deviations, 0.5 - 0.01 * deviations]
    assert rank_groups(values, draws_apart(0.01, 3), [False] * 3) == groups


def test_rank_groups_use_what_rows_share():
    # A shared deviation of 0.2 hides nothing of a difference that is the same in every draw.
    shared = draws(0, 0, 0.2)
    own = [draws(i, value, 0.01) for i, value in ((1, 0.9), (2, 0.8))]
    none = [False, False]
    assert rank_groups([0.9, 0.8], [own[0] + shared, own[1] + shared], none) == [1, 2]
    assert rank_groups([0.9, 0.8], [own[0] + shared, own[1] - shared], none) == [1, 1]


def test_a_large_field_of_equals_is_seldom_split():
    rng = np.random.default_rng(0)
    split = [
        max(
            rank_groups(rng.normal(0.5, 0.05, 20), [draws(i, 0.5) for i in range(20)], [False] * 20)
        )
        > 1
        for _ in range(200)
    ]
    # Pairwise tests would split nearly every field of twenty.
    assert np.mean(split) < 0.1


def test_rank_groups_of_few_rows():
    assert rank_groups([], [], []) == []
    assert rank_groups([0.3], [draws(0, 0.3)], [False]) == [1]
    assert rank_groups([0.3, 0.3], [draws(0, 0.3)] * 2, [False] * 2) == [1, 1]
