"""What an identifier may see, and what becomes of one that returns impossible scores."""

import numpy as np
import pytest

from harness import submission
from harness.repair.trials import Trials
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
    return Trials(reference, zygote, tmp_path / "results")


@pytest.mark.parametrize("case", SENSELESS)
def test_impossible_scores_are_a_verdict_that_says_what_to_fix(case, trials, tmp_path):
    expression, said = SENSELESS[case]
    mine = read(tmp_path, IDENTIFIER.format(expression))
    with pytest.raises(Verdict) as caught:
        trials.identify(mine)
    expected = "invalid_scores" if said else "sandbox_violation"
    assert caught.value.status == expected, caught.value.message
    assert said in caught.value.message
    assert "run 0" in caught.value.message


def test_signed_scores_of_which_none_blames_are_a_verdict(trials, tmp_path):
    mine = read(tmp_path, IDENTIFIER.format("-torch.rand(150)") + "SIGNED = True\n")
    with pytest.raises(Verdict, match="run 0: .* no score is above zero") as caught:
        trials.identify(mine)
    assert caught.value.status == "invalid_scores"


@pytest.mark.parametrize("expression", ["torch.arange(150)", "list(range(150))"])
def test_scores_come_back_in_order_and_exactly(expression, trials, tmp_path):
    found = trials.identify(read(tmp_path, IDENTIFIER.format(expression)))
    assert found.scores.tolist() == [list(range(150))] * 2
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
    found = trials.identify(read(tmp_path, text))
    assert np.array_equal(found.scores, [case.labels for case in reference.cases])


ONLY = """
def {name}(net, train, failures, val):
    ids = {{int(example["image_id"]) for example in failures.dataset}}
    assert ids in {shown}, ids
"""


def test_failures_that_are_held_out_are_shown_to_nobody(trials, reference, tmp_path):
    ids = reference.query["image_id"]
    shown = [set(ids[case.failures].tolist()) for case in reference.cases]
    for case, own in zip(reference.cases, shown, strict=True):
        assert not own & set(ids[case.held_out].tolist())
    blaming = ONLY.format(name="identify", shown=shown) + "    return list(range(150))\n"
    trials.identify(read(tmp_path, blaming))
    trials.repair(read(tmp_path, ONLY.format(name="repair", shown=shown), "repair", "idle"))


def test_true_labels_are_nowhere_in_the_process_of_an_identifier(trials, reference, tmp_path):
    """Nor other cases' labels, by whose majority the true ones could be told."""
    case, other = reference.cases
    mine = read(tmp_path, SEARCH.format(count=len(case.labels)))
    with pytest.raises(Verdict, match="searched") as caught:
        trials.identify(mine)
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
    trials = Trials(reference, zygote, tmp_path / "results")
    with pytest.raises(Verdict, match="FileNotFoundError|PermissionError") as caught:
        trials.identify(mine)
    assert "FOUND" not in caught.value.output


def _text(labels):
    return "".join(str(int(label)) for label in labels)


def test_a_stored_trial_is_not_run_again_until_its_file_changes(trials, tmp_path):
    draws = IDENTIFIER.format("torch.rand(150) + torch.tensor(__import__('time').time() % 1)")
    first, again = (trials.identify(read(tmp_path, draws)) for _ in range(2))
    assert np.array_equal(first.scores, again.scores)
    changed = read(tmp_path, draws + "# changed\n")
    other = trials.identify(changed)
    assert not np.array_equal(first.scores, other.scores)


def test_a_treatment_forgets_the_blamed_and_keeps_the_others(trials, tmp_path):
    text = """
def unlearning(net, retain, forget, val):
    assert len(forget.dataset) == 30 and len(retain.dataset) == 120
    assert not {int(e["image_id"]) for e in forget.dataset} & {
        int(e["image_id"]) for e in retain.dataset}
"""
    idle = read(tmp_path, text, "unlearning", "idle")
    figures = trials.treat(trials.oracle(), idle)
    assert (figures["held_out_before"] == 0).all() and (figures["held_out_after"] == 0).all()
    assert np.array_equal(figures["test_before"], figures["test_after"])
    assert (figures["test_before"] > 0.3).all()
    assert (figures["forgotten"] == 30).all()
    retrain = submission.read(ROOT / "submissions/retrain.py")
    assert trials.treat(trials.oracle(), retrain)["held_out_after"].mean() > 0.1


def test_a_repair_sees_the_shown_failures_with_their_true_labels(trials):
    tuned = submission.read(ROOT / "submissions/repair/finetune_failures.py", "repair")
    figures = trials.repair(tuned)
    assert (figures["forgotten"] == 0).all()
    assert (figures["held_out_before"] == 0).all()
    assert (figures["test_after"] != figures["test_before"]).all()
