"""What an author's own driver passes: constants are taken over, the rest and the order is told."""

import ast

import pytest

from harness.driver import follow, lines

FUNCTION = "def unlearning(net, retain, forget, val, epochs=1, weights=None, *, rate=0.1): pass\n"


def followed(driver: str, function: str = FUNCTION):
    passed, notes = follow(ast.parse(function), [ast.parse(function), ast.parse(driver)])
    return passed, [(note.name, note.warns) for note in notes]


@pytest.mark.parametrize(
    ("driver", "passed"),
    [
        ("unlearning(1, 2, 3, 4, epochs=3)", {"epochs": 3}),
        ("unlearning(1, 2, 3, 4, 3, rate=-1e-3)", {"epochs": 3, "rate": -0.001}),
        ("EPOCHS = 5\ndef main():\n    unlearning(net, *loaders(), epochs=EPOCHS)", {"epochs": 5}),
        ("for i in range(512): unlearning(1, 2, 3, 4, weights=[1, 2])", {"weights": [1, 2]}),
        ("unlearning(1, 2, 3, 4, rate=1)\nunlearning(4, 3, 2, 1, rate=1)", {"rate": 1}),
    ],
)
def test_constants_of_the_driver_are_taken_over(driver, passed):
    assert followed(driver) == (passed, [("driver", False)])
    scope: dict = {}
    own = FUNCTION.replace("pass", "return epochs, weights, rate") + lines(passed)
    exec(own, scope)
    assert scope["unlearning"](1, 2, 3, 4) == tuple(
        {"epochs": 1, "weights": None, "rate": 0.1, **passed}.values()
    )


@pytest.mark.parametrize(
    "driver",
    [
        "unlearning(1, 2, 3, 4, weights=torch.ones(10))",
        "unlearning(1, 2, 3, 4, epochs=1)\nunlearning(1, 2, 3, 4, epochs=2)",
        "unlearning(1, 2, 3, 4, epochs=1)\nunlearning(1, 2, 3, 4)",
        "for n in (1, 2): unlearning(1, 2, 3, 4, epochs=n)",
        "EPOCHS = 1\nEPOCHS = 2\nunlearning(1, 2, 3, 4, epochs=EPOCHS)",
        "def main(n): unlearning(1, 2, 3, 4, epochs=n)",
    ],
)
def test_what_is_no_single_constant_is_a_warning(driver):
    assert followed(driver) == ({}, [("driver_settings", True)])


@pytest.mark.parametrize(
    "driver",
    ["", "unlearning(net, retain, forget, val)", "unlearning(net, *loaders())"],
)
def test_a_driver_that_passes_four_arguments_needs_no_word(driver):
    assert followed(driver) == ({}, [])


@pytest.mark.parametrize(
    ("parameters", "swapped"),
    [
        ("net, forget_loader, retain_loader, val_loader", True),
        ("net, val, retain, forget", True),
        ("net, retain_loader, forget_loader, validation", False),
        ("model, train, unlearn, holdout", False),
        ("*loaders", False),
    ],
)
def test_parameters_named_in_another_order_are_a_warning(parameters, swapped):
    function = f"def unlearning({parameters}): pass"
    assert followed("", function) == ({}, [("argument_order", True)] * swapped)


def test_a_device_and_a_call_in_the_function_itself_are_no_settings():
    function = "def unlearning(net, retain, forget, val, device, depth=0):\n"
    function += "    unlearning(net, retain, forget, val, device, depth=1)\n"
    assert followed("unlearning(1, 2, 3, 4, 'cpu')", function) == ({}, [])
