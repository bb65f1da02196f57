"""Large pools are worked through in blocks: the figures stay, and no copy of a pool is made."""

import tracemalloc

import numpy as np
import pytest

from harness.diagnostics import flags
from harness.epsilon import blocks, calibration, confidences
from harness.metrics import figures, per_example
from harness.pool import Pool
from harness.scoring import quality
from tests.test_metrics import LABELS, pool

MODELS, EXAMPLES, CLASSES = 100, 10, 1000
WIDE = np.arange(EXAMPLES)


def test_blocks_are_the_models_in_order():
    values = np.arange(7 * 3).reshape(7, 3)
    assert [part.tolist() for part in blocks.blocks(values)] == [values.tolist()]
    np.testing.assert_array_equal(np.concatenate([*blocks.blocks(values)]), values)
    assert [len(part) for part in blocks.blocks(values[:0])] == [0]


@pytest.mark.parametrize(("values", "models"), [(1, 1), (6, 2), (8, 2), (21, 7), (99, 7)])
def test_a_block_holds_as_many_models_as_fit(monkeypatch, values, models):
    monkeypatch.setattr(blocks, "VALUES", values)
    sizes = [len(part) for part in blocks.blocks(np.zeros((7, 3)))]
    assert max(sizes) == models
    assert sum(sizes) == 7


def test_what_is_computed_does_not_depend_on_the_blocks(monkeypatch):
    models, classes = pool(0), LABELS.max() + 1
    found = quality(models, pool(1), LABELS, ["confidence"])

    def everything():
        return [
            confidences(models.forget_logits, LABELS),
            *calibration(models.forget_logits),
            *flags(models, pool(1), LABELS, 0.5, 0.1, 0.4),
            *per_example(models, pool(1), LABELS, found).values(),
        ]

    whole = everything()
    monkeypatch.setattr(blocks, "VALUES", 3 * len(LABELS) * int(classes))
    for before, after in zip(whole, everything(), strict=True):
        np.testing.assert_array_equal(after, before)


WORK = {
    "confidences": lambda u, r, found: confidences(u.forget_logits, WIDE),
    "calibration": lambda u, r, found: calibration(u.forget_logits),
    "flags": lambda u, r, found: flags(u, r, WIDE, 0.5, 0.1, 0.9),
    "figures": lambda u, r, found: figures(u, r, WIDE, found.epsilons),
    "per_example": lambda u, r, found: per_example(u, r, WIDE, found),
}


@pytest.fixture(scope="module")
def wide_pools():
    """Two pools, and what the panel finds."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, MODELS, EXAMPLES, CLASSES)).astype(np.float32)
    accuracies = rng.uniform(0.5, 1, (4, MODELS))
    pools = [Pool(z, np.empty((MODELS, 0)), *accuracies, *calibration(z)) for z in logits]
    return *pools, quality(*pools, WIDE, ["confidence"])


@pytest.mark.parametrize("work", WORK)
def test_no_step_of_scoring_copies_a_pool(wide_pools, monkeypatch, work):
    copied = 8 * wide_pools[0].forget_logits.size  # bytes of a copy in float64
    monkeypatch.setattr(blocks, "VALUES", EXAMPLES * CLASSES)
    WORK[work](*wide_pools)  # what is imported on the way does not count
    tracemalloc.start()
    WORK[work](*wide_pools)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < copied / 2
