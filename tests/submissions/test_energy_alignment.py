"""Energy alignment: inputs go down the energy, and only the last layers learn from them."""

import torch

from tests.submissions.conftest import Digits, changed, snapshot


def test_inputs_move_down_the_energy_in_bounded_steps(load, digits: Digits):
    module, net = load("energy_alignment"), digits.model()
    inputs = digits.forget.columns["image"][:16]
    moved, labels = module.align(net, inputs)
    with torch.no_grad():
        before, after = module.energy(net(inputs)), module.energy(net(moved))
        assert torch.equal(labels, net(moved).argmax(1))
    assert (after < before).all()
    furthest = (moved - inputs).abs().max()
    assert 0 < furthest <= module.STEPS * module.STEP_SIZE * 1.001


def test_energy_is_minus_the_log_of_the_sum_of_exponentials(load):
    logits = torch.tensor([[0.0, 1.0], [2.0, 2.0]])
    expected = -logits.exp().sum(1).log()
    torch.testing.assert_close(load("energy_alignment").energy(logits), expected)


def test_only_the_last_layers_change(load, digits: Digits):
    net = digits.model()
    torch.manual_seed(0)
    load("energy_alignment").unlearning(net, *digits.loaders())
    touched = {name.split(".")[0] for name in changed(digits.weights, snapshot(net))}
    assert touched == {"layer3", "fc"}


def test_the_moved_examples_get_the_labels_that_they_were_given(load, digits: Digits, monkeypatch):
    """More passes bring the model nearer to its own posterior at the moved inputs."""
    module = load("energy_alignment")
    moved, labels = module.align(digits.model(), digits.forget.columns["image"])
    losses = []
    for epochs in (0, 5):
        monkeypatch.setattr(module, "EPOCHS", epochs)
        net = digits.model()
        torch.manual_seed(0)
        module.unlearning(net, *digits.loaders())
        with torch.no_grad():
            losses.append(torch.nn.functional.cross_entropy(net(moved), labels).item())
    assert losses[1] < losses[0]
