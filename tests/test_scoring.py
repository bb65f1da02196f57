"""The score: its parts, its interval, its refusals, and the groups of a leaderboard."""

from dataclasses import replace

import numpy as np
import pytest

from harness.epsilon import ForgettingQuality, forgetting_quality
from harness.pool import Pool
from harness.scoring import rank_groups, score

FAST = ["confidence", "gaussian"]
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
    )


RETRAINED = pool(0)


def ceiling(n=60, **changes):
    arguments = {"attackers": FAST} | changes
    return forgetting_quality(
        pool(1, n).forget_logits, RETRAINED.forget_logits, LABELS, **arguments
    )


CEILING = ceiling()


def scored(unlearned, against=CEILING, retrained=RETRAINED):
    return score(unlearned, retrained, against, LABELS, FAST)


def test_is_quality_over_ceiling_times_utility():
    result = scored(pool(2, shift=0.5, retain=0.45, test=0.6))
    quality = forgetting_quality(
        pool(2, shift=0.5).forget_logits, RETRAINED.forget_logits, LABELS, FAST
    )
    assert result.forgetting_quality == quality.value
    assert result.ceiling == CEILING.value
    assert result.utility == pytest.approx(0.5 * 0.75, rel=0.02)
    assert result.value == quality.value / CEILING.value * result.utility
    assert result.low < result.value < result.high
    np.testing.assert_array_equal(result.epsilons, quality.epsilons)
    assert result.retain_accuracy == pytest.approx(0.45, abs=0.01)
    assert result.forget_accuracy == pytest.approx(0.70, abs=0.01)
    assert result.validation_accuracy == pytest.approx(0.75, abs=0.01)
    assert result.test_accuracy == pytest.approx(0.60, abs=0.01)


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
        ({"attackers": ["kernel"]}, r"attackers \['kernel'\], the submission by \['confidence'"),
    ],
)
def test_refuses_a_ceiling_that_was_measured_otherwise(changes, message):
    with pytest.raises(ValueError, match=message):
        scored(pool(2), ceiling(**changes))


def draws(seed, value, deviation=0.05):
    return np.random.default_rng(seed).normal(value, deviation, 200)


def test_rank_groups_follow_significance_not_order():
    values = [0.50, 0.92, 0.90, 0.52]
    groups = rank_groups(values, [draws(i, value) for i, value in enumerate(values)])
    assert groups == [2, 1, 1, 2]


def test_rank_groups_use_what_rows_share():
    # A shared deviation of 0.2 hides nothing of a difference that is the same in every draw.
    shared = draws(0, 0, 0.2)
    own = [draws(i, value, 0.01) for i, value in ((1, 0.9), (2, 0.8))]
    assert rank_groups([0.9, 0.8], [own[0] + shared, own[1] + shared]) == [1, 2]
    assert rank_groups([0.9, 0.8], [own[0] + shared, own[1] - shared]) == [1, 1]


def test_a_large_field_of_equals_is_seldom_split():
    rng = np.random.default_rng(0)
    split = [
        max(rank_groups(rng.normal(0.5, 0.05, 20), [draws(i, 0.5) for i in range(20)])) > 1
        for _ in range(200)
    ]
    # Pairwise tests would split nearly every field of twenty.
    assert np.mean(split) < 0.1


def test_rank_groups_of_few_rows():
    assert rank_groups([], []) == []
    assert rank_groups([0.3], [draws(0, 0.3)]) == [1]
    assert rank_groups([0.3, 0.3], [draws(0, 0.3)] * 2) == [1, 1]
