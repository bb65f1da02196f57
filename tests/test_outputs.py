"""Outputs are what the plain model gives, split by split."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from harness import competition, data, models
from harness.fused import Fused
from harness.outputs import Observer
from harness.pool import Pool, retain_sample


@pytest.fixture(scope="module")
def setting():
    digits = competition.load("digits")
    nets = []
    for seed in range(3):
        torch.manual_seed(seed)
        nets.append(models.build(digits.model.architecture, **digits.model.arguments).eval())
    loaded = data.load(digits.dataset, digits.splits)
    return Observer(digits.model, loaded), loaded, nets


def test_the_outputs_of_one_model(setting):
    observer, loaded, nets = setting
    pool = observer.weights([{k: v.numpy() for k, v in nets[0].state_dict().items()}])
    with torch.no_grad():
        forget = nets[0](torch.from_numpy(loaded.forget["image"]))
        test = nets[0](torch.from_numpy(loaded.test["image"]))
    labels = torch.from_numpy(loaded.test["label"])
    np.testing.assert_allclose(pool.forget_logits[0], forget, rtol=1e-4, atol=1e-5)
    sample = retain_sample(len(loaded.retain["label"]))
    assert (len(sample), sample[0], sample[-1]) == (64, 0, 849)
    with torch.no_grad():
        retain = nets[0](torch.from_numpy(loaded.retain["image"][sample]))
    np.testing.assert_allclose(pool.retain_logits[0], retain, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        pool.test_losses[0], cross_entropy(test, labels, reduction="none"), rtol=1e-4, atol=1e-5
    )
    assert pool.test_accuracy[0] == (test.argmax(1) == labels).double().mean()
    assert 0 <= pool.retain_accuracy[0] < 0.5


def test_many_models_at_once_give_what_each_gives(setting):
    observer, _, nets = setting
    states = [net.state_dict() for net in nets]
    together = observer.fused(Fused(nets[0], states).eval())
    weights = [{k: v.numpy() for k, v in state.items()} for state in states]
    alone = Pool.concatenate([observer.weights([own]) for own in weights])
    assert len(together) == 3
    for name, values in together.arrays().items():
        np.testing.assert_allclose(values, getattr(alone, name), rtol=1e-3, atol=1e-4)


def test_a_pool_can_be_cut_and_joined(setting):
    observer, _, nets = setting
    pool = observer.fused(Fused(nets[0], [net.state_dict() for net in nets]).eval())
    again = Pool.concatenate([pool[:1], pool[np.array([1, 2])]])
    for name, values in pool.arrays().items():
        assert np.array_equal(values, getattr(again, name))
    # What was not kept of some models is not kept of their pool.
    part = Pool.concatenate([replace(pool[:1], retain_logits=None), pool[1:]])
    assert len(part) == 3
    assert part.retain_logits is None
