"""Each identifier against what it approximates: retraining, all subsets, finite differences."""

import copy
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import DataLoader, TensorDataset

from harness import names, submission
from harness.models import build
from tests.repair.conftest import ROOT

NAMES = sorted(path.stem for path in (ROOT / "submissions/identify").glob("*.py"))
RIDGE = 0.1  # the logistic model's L2 penalty
EXAMPLES, FEATURES, CLASSES = 100, 4, 3


@pytest.fixture(scope="module", autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def loader(images, labels):
    return DataLoader(TensorDataset(images, labels), batch_size=16)


def blobs(count, seed):
    """Classes around their centres, one label in six wrong, as images of one row."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    centres = 1.5 * (torch.eye(CLASSES, FEATURES) - 1 / CLASSES)
    images = centres[labels] + torch.randn(count, FEATURES, generator=generator)
    labels[::6] = (labels[::6] + 1) % CLASSES
    return images[:, None, None], labels


def fitted(images, labels, weights):
    """The logistic model at the minimum of sum(weights * losses) / n + RIDGE / 2 |w|^2."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, CLASSES))
    optimizer = torch.optim.LBFGS(
        net.parameters(), max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        losses = cross_entropy(net(images), labels, reduction="none")
        norm = sum(p.square().sum() for p in net.parameters())
        loss = (weights * losses).sum() / len(labels) + RIDGE / 2 * norm
        loss.backward()
        return loss

    optimizer.step(closure)
    return net


@pytest.fixture(scope="module")
def logistic(double):
    """The model, its training set, failures, and what leaving each example out does for those."""
    images, labels = blobs(EXAMPLES, seed=1)
    net = fitted(images, labels, torch.ones(EXAMPLES))
    asked, true = blobs(40, seed=2)
    wrong = net(asked).argmax(1) != true
    failures = asked[wrong], true[wrong]

    def likelihood(model):
        with torch.no_grad():
            return -cross_entropy(model(failures[0]), failures[1], reduction="sum")

    gained = [
        likelihood(fitted(images, labels, 1 - one_hot(torch.tensor(i), EXAMPLES))) - likelihood(net)
        for i in range(EXAMPLES)
    ]
    return net, (images, labels), failures, torch.stack(gained)


@pytest.mark.parametrize(
    ("name", "damping", "least"),
    [
        ("koh_liang", RIDGE, 0.99),
        ("linear_influence_kfac", 0.01, 0.95),
        ("linear_influence", 1.0, 0.9),
        ("ewc_influence", RIDGE * EXAMPLES, 0.9),
    ],
)
def test_influence_agrees_with_leaving_one_out(name, damping, least, identifier, logistic):
    """Where the damping is the penalty; those relative to the Fisher's mean are as shipped."""
    net, train, failures, gained = logistic
    module = identifier(name)
    module.DAMPING = damping
    torch.manual_seed(0)
    scores = module.identify(copy.deepcopy(net), loader(*train), loader(*failures), None).detach()
    assert np.corrcoef(scores, gained)[0, 1] >= least


def test_ewc_influence_climbs_its_objective_along_the_true_gradient(identifier):
    """The gradient that its loop descends, against finite differences of the same objective."""
    module = identifier("ewc_influence")
    images, labels = blobs(20, seed=3)
    net = fitted(images, labels, torch.ones(20))
    start = {name: p.detach() + 0.1 for name, p in net.named_parameters()}
    fisher = {name: torch.rand_like(p) for name, p in start.items()}

    def objective(weights):
        likelihood = -cross_entropy(
            functional_call(net, weights, (images,)), labels, reduction="sum"
        )
        return likelihood - module.penalty(weights, start, fisher, 20)

    weights = {name: p.detach() for name, p in net.named_parameters()}
    for name, gradient in grad(objective)(weights).items():
        for i in np.ndindex(*gradient.shape):
            step = torch.zeros_like(gradient)
            step[i] = 1e-5
            up, down = (
                objective(weights | {name: weights[name] + sign * step}) for sign in (1, -1)
            )
            assert gradient[i] == pytest.approx(float(up - down) / 2e-5, rel=1e-4, abs=1e-6)


def shapley_by_subsets(value, count):
    """Shapley values of a game, from all its coalitions."""
    values = np.zeros(count)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        for size in range(count):
            for coalition in combinations(others, size):
                weight = 1 / (count * comb(count - 1, size))
                values[i] += weight * (value([*coalition, i]) - value(list(coalition)))
    return values


@pytest.mark.parametrize(("k", "count"), [(1, 7), (3, 8), (5, 4)])
def test_knn_shapley_is_that_of_all_subsets(k, count, identifier):
    module = identifier("knn_shapley")
    module.K = k
    right = torch.tensor(np.random.default_rng(count).integers(0, 2, (3, count))).double()
    for row, found in zip(right, module.by_rank(right), strict=True):
        expected = shapley_by_subsets(lambda c, row=row: sum(row[sorted(c)[:k]]) / k, count)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_knn_shapley_gives_each_example_its_own_value(identifier):
    """Of examples in any order, on features that the model computes."""
    module = identifier("knn_shapley")
    module.K = 2
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    images = torch.tensor([3.0, 0.0, 1.0, 7.0])[:, None, None, None]
    labels = torch.tensor([1, 0, 1, 0])
    asked = loader(torch.zeros(1, 1, 1, 1), torch.tensor([0]))
    nearest = [1, 2, 0, 3]

    def value(coalition):
        voters = [i for i in nearest if i in coalition][:2]
        return sum(labels[i] == 0 for i in voters) / 2

    scores = module.identify(net, loader(images, labels), asked, asked)
    np.testing.assert_allclose(-scores, shapley_by_subsets(value, 4), atol=1e-12)


def test_tmc_shapley_comes_near_that_of_all_subsets(identifier):
    """Its regression is refitted from scratch here, its orders not cut."""
    module = identifier("tmc_shapley")
    module.ORDERS, module.TOLERANCE = 4000, 0.0
    rng = np.random.default_rng(0)
    inputs = torch.tensor(rng.normal(size=(6, 3)))
    targets = one_hot(torch.tensor([0, 1, 0, 1, 1, 0]), 2).double()
    asked, truth = torch.tensor(rng.normal(size=(4, 3))), targets[:4]

    def value(coalition):
        x, y = inputs[coalition], targets[coalition]
        weights = torch.linalg.solve(x.T @ x + module.RIDGE * torch.eye(3), x.T @ y)
        return float(((asked @ weights) * truth).sum() / len(asked))

    torch.manual_seed(0)
    found = module.shapley(inputs, targets, asked, truth)
    np.testing.assert_allclose(found, shapley_by_subsets(value, 6), atol=0.01)
    assert found.sum() == pytest.approx(value(list(range(6))))  # what all of them earn together


def test_kfac_factors_are_the_fisher_of_one_linear_layer(identifier):
    """For one image, the Fisher of a linear layer is the product of the two factors exactly."""
    module = identifier("linear_influence_kfac")
    net = nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, CLASSES))
    image = blobs(1, seed=4)[0].repeat(500, 1, 1, 1)
    torch.manual_seed(0)
    factors, _ = module.moments(net.requires_grad_(False), image)
    torch.manual_seed(0)
    labels = net(image).softmax(1).multinomial(1).squeeze(1)
    weights = dict(net.named_parameters())

    def loss(weights, image, label):
        return cross_entropy(functional_call(net, weights, (image[None],)), label[None])

    each = vmap(grad(loss), (None, 0, 0))(weights, image, labels)
    rows = torch.cat([each["1.weight"], each["1.bias"][:, :, None]], dim=2).flatten(1)
    a, g = factors["1"]
    torch.testing.assert_close(torch.kron(g, a), rows.T @ rows / len(rows))


def test_kfac_sees_a_convolution_as_a_linear_layer_at_each_place(identifier):
    module = identifier("linear_influence_kfac")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(32, 3))
    images = torch.randn(5, 1, 4, 4)
    factors, _ = module.moments(net.requires_grad_(False), images)
    a, g = factors["0"]
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    expected = torch.zeros(10, 10)
    for image in padded:
        for row, column in np.ndindex(4, 4):
            patch = torch.cat(
                [image[0, row : row + 3, column : column + 3].flatten(), torch.ones(1)]
            )
            expected += torch.outer(patch, patch) / 5
    torch.testing.assert_close(a, expected)
    assert g.shape == (2, 2)


@pytest.mark.parametrize("name", NAMES)
def test_scores_every_example_of_a_small_resnet_in_order(name, identifier):
    """A shuffled training set has shuffled scores, but where they are drawn at random."""
    torch.manual_seed(0)
    net = build("small_resnet", channels=1, classes=5, widths=[4, 8]).eval()
    images, labels = torch.rand(40, 1, 8, 8), torch.randint(5, (40,))
    failures, val = (loader(torch.rand(12, 1, 8, 8), torch.randint(5, (12,))) for _ in range(2))
    module = identifier(name)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    scores = []
    for order in (torch.arange(40), torch.arange(40).flip(0)):
        torch.manual_seed(1)
        net.load_state_dict(before)
        scores.append(module.identify(net, loader(images[order], labels[order]), failures, val))
    assert scores[0].shape == (40,)
    assert scores[0].isfinite().all()
    assert len(scores[0].unique()) > 5
    if name in ("training_loss", "knn_shapley"):  # the others draw labels, orders or examples
        torch.testing.assert_close(scores[0], scores[1].flip(0))


@pytest.mark.parametrize("name", NAMES)
def test_stands_alone(name):
    imports = submission.read(ROOT / f"submissions/identify/{name}.py", "identify").imports
    assert {module.split(".")[0] for module in imports} <= {"torch"}


def test_an_identifier_is_no_unlearning_submission():
    assert not set(NAMES) & {path.stem for path in names.find(ROOT / "submissions")}
