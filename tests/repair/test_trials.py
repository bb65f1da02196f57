"""What an identifier may see, and what becomes of one that returns impossible scores."""

import numpy as np
import pytest

from harness import submission
from harness.repair.trials import Identifier, Trials
from harness.submission import Verdict
from tests.repair.conftest import ROOT

SENSELESS = {
    "too short": ("torch.rand(len(train.dataset) - 1)", "shape [149], not [150]"),
    "two columns": ("torch.rand(len(train.dataset), 2)", "shape [150, 2], not [150]"),
    "far too long": ("torch.rand(10_000_000)", ""),
    "NaN": ("torch.rand(150).log() * float('nan')", "NaN or infinite values, 150 of 150"),
    "one infinite": ("torch.arange(150.0).reciprocal()", "NaN or infinite values, 1 of 150"),
    "all equal": ("torch.ones(150)", "all equal values"),
    "complex": ("torch.rand(150) * 1j", "scores of type torch.complex64"),
    "yes or no": ("torch.rand(150) > 0.5", "scores of type torch.bool"),
    "nothing": ("None", "an object of type NoneType"),
    "the model": ("net", "an object of type SmallResNet"),
}
IDENTIFIER = "import torch\ndef identify(net, train, failures, val):\n    return {}\n"
# All that Python can reach: every tensor and array of the process, loaded data and the rest.
SEARCH = """
import gc, torch, numpy as np
def identify(net, train, failures, val):
    gc.unfreeze()  # of what was there before
    found = [o for o in gc.get_objects() if isinstance(o, (torch.Tensor, np.ndarray))]
    found += [v for o in gc.get_objects() if type(o) is dict for v in list(o.values())
              if isinstance(v, (torch.Tensor, np.ndarray))]
    for value in found:
        value = torch.as_tensor(value).flatten() if value.dtype != object else value
        if len(value) == {count}:
            print("LABELS", "".join(str(int(v)) for v in value.tolist()))
    raise RuntimeError("searched")
"""
FILES = """
import os, torch
def identify(net, train, failures, val):
    for folder, _, names in os.walk("/", onerror=None):
        if folder.startswith(("/proc", "/sys", "/usr", "/dev")):
            continue
        for name in names:
            if name.startswith(("flips-", "original-")):
                print("FOUND", folder, name)
    torch.tensor(list(open({path!r}, "rb").read()))
    return torch.arange({count})
"""


def read(folder, text, function="identify", name="mine"):
    path = folder / f"{name}.py"
    path.write_text(text)
    return submission.read(path, function)


@pytest.fixture
def trials(reference, zygote, tmp_path):
    return Trials(reference, zygote, tmp_path / "trials")


@pytest.mark.parametrize("case", SENSELESS)
def test_impossible_scores_are_a_verdict_that_says_what_to_fix(case, trials, reference, tmp_path):
    expression, said = SENSELESS[case]
    mine = read(tmp_path, IDENTIFIER.format(expression))
    with pytest.raises(Verdict) as caught:
        trials.identify(Identifier("mine", mine, signed=False), reference.cases[0])
    expected = "invalid_scores" if said else "sandbox_violation"
    assert caught.value.status == expected, caught.value.message
    assert said in caught.value.message
    assert "seed 0" in caught.value.message


def test_signed_scores_of_which_none_blames_are_a_verdict(trials, reference, tmp_path):
    mine = read(tmp_path, IDENTIFIER.format("-torch.rand(150)"))
    with pytest.raises(Verdict, match="no score is above zero") as caught:
        trials.identify(Identifier("mine", mine, signed=True), reference.cases[0])
    assert caught.value.status == "invalid_scores"


@pytest.mark.parametrize("expression", ["torch.arange(150)", "list(range(150))"])
def test_scores_come_back_in_order_and_exactly(expression, trials, reference, tmp_path):
    mine = read(tmp_path, IDENTIFIER.format(expression))
    found = trials.identify(Identifier("mine", mine, signed=False), reference.cases[0])
    assert found.scores.tolist() == list(range(150))
    assert found.scores.dtype == np.float64


def test_an_identifier_gets_the_cases_own_model_labels_and_failures(trials, reference, tmp_path):
    text = """
import torch
def identify(net, train, failures, val):
    net.eval()
    labels = torch.cat([targets for _, targets in train])
    assert [int(net(x).argmax() != y) for x, y in failures.dataset] == [1] * len(failures.dataset)
"""
    text = text.replace("net(x)", "net(x[None])") + "    return labels\n"
    mine = read(tmp_path, text)
    for case in reference.cases:
        found = trials.identify(Identifier("mine", mine, signed=False), case)
        assert np.array_equal(found.scores, case.labels)


ONLY = """
def {name}(net, train, failures, val):
    ids = {{int(example["image_id"]) for example in failures.dataset}}
    assert ids == {shown}, ids
"""


def test_failures_that_are_held_out_are_shown_to_nobody(trials, reference, tmp_path):
    case = reference.cases[0]
    ids = reference.query["image_id"]
    shown = set(ids[case.failures].tolist())
    assert not shown & set(ids[case.held_out].tolist())
    blaming = (
        ONLY.format(name="identify", shown=shown) + f"    return list(range({len(case.labels)}))\n"
    )
    trials.identify(Identifier("mine", read(tmp_path, blaming), signed=False), case)
    trials.repair(read(tmp_path, ONLY.format(name="repair", shown=shown), "repair", "idle"), case)


def test_true_labels_are_nowhere_in_the_process_of_an_identifier(trials, reference, tmp_path):
    """Nor other cases' labels, by whose majority the true ones could be told."""
    case, other = reference.cases
    mine = read(tmp_path, SEARCH.format(count=len(case.labels)))
    with pytest.raises(Verdict, match="searched") as caught:
        trials.identify(Identifier("mine", mine, signed=False), case)
    lines = caught.value.output.splitlines()
    shown = {line.split()[1] for line in lines if line.startswith("LABELS")}
    assert _text(case.labels) in shown  # the search finds what is there
    for hidden in (reference.train["label"], case.flipped, ~case.flipped, other.labels):
        assert _text(hidden) not in shown


def test_the_flips_file_cannot_be_found_or_opened(reference, zygote, workspace, tmp_path):
    path = next(workspace.rglob("flips-0.safetensors"))
    mine = read(tmp_path, FILES.format(path=str(path), count=len(reference.cases[0].labels)))
    if zygote.isolation.level == "none":
        pytest.skip("without walls every file can be read")
    trials = Trials(reference, zygote, tmp_path / "trials")
    with pytest.raises(Verdict, match="FileNotFoundError|PermissionError") as caught:
        trials.identify(Identifier("mine", mine, signed=False), reference.cases[0])
    assert "FOUND" not in caught.value.output


def _text(labels):
    return "".join(str(int(label)) for label in labels)


def test_a_stored_trial_is_not_run_again_until_its_file_changes(trials, reference, tmp_path):
    case = reference.cases[0]
    draws = IDENTIFIER.format("torch.rand(150) + torch.tensor(__import__('time').time() % 1)")
    first, again = (
        trials.identify(Identifier("mine", read(tmp_path, draws), signed=False), case)
        for _ in range(2)
    )
    assert np.array_equal(first.scores, again.scores)
    changed = read(tmp_path, draws + "# changed\n")
    other = trials.identify(Identifier("mine", changed, signed=False), case)
    assert not np.array_equal(first.scores, other.scores)


def test_a_treatment_forgets_the_blamed_and_keeps_the_others(trials, reference, tmp_path):
    case = reference.cases[0]
    oracle = Identifier("true_flips", None, signed=True)
    text = """
def unlearning(net, retain, forget, val):
    assert len(forget.dataset) == 30 and len(retain.dataset) == 120
    assert not {int(e["image_id"]) for e in forget.dataset} & {
        int(e["image_id"]) for e in retain.dataset}
"""
    idle = read(tmp_path, text, "unlearning", "idle")
    figures = trials.treat(oracle, trials.identify(oracle, case), idle, case)
    assert figures["held_out_before"] == figures["held_out_after"] == 0
    assert figures["test_before"] == figures["test_after"] > 0.3
    assert figures["forgotten"] == 30
    retrain = submission.read(ROOT / "submissions/retrain.py")
    figures = trials.treat(oracle, trials.identify(oracle, case), retrain, case)
    assert figures["held_out_after"] > 0.2


def test_a_repair_sees_the_shown_failures_with_their_true_labels(trials, reference):
    tuned = submission.read(ROOT / "submissions/repair/finetune_failures.py", "repair")
    case = reference.cases[0]
    figures = trials.repair(tuned, case)
    assert figures["forgotten"] == 0
    assert figures["held_out_before"] == 0
    assert figures["test_after"] != figures["test_before"]
