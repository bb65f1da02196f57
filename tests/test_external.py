"""Models that were made elsewhere: the same score as here, and errors that name array and shape."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import harness
from harness import external, metrics, scoring
from harness.__main__ import main
from harness.columns import COLUMNS
from harness.epsilon import calibration
from harness.pool import Pool

ROOT = Path(__file__).parents[1]
N, F, C = 20, 10, 3
FAST = ["confidence", "gaussian", "discriminant"]


def outputs(seed: int, shift: float = 0.0, n: int = N) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, F, C))
    logits[..., 0] += shift
    return {
        "logits": logits.astype(np.float32),
        "labels": np.arange(F) % C,
        "retain_accuracy": rng.uniform(0.9, 1, n),
        "validation_accuracy": rng.uniform(0.7, 0.8, n),
        "test_accuracy": rng.uniform(0.7, 0.8, n),
        "validation_logits": rng.normal(size=(n, 30, C)).astype(np.float32),
        "test_losses": rng.exponential(size=(n, 15)).astype(np.float32),
    }


UNLEARNED, RETRAINED, SECOND = outputs(0, 0.7), outputs(1, n=30), outputs(2)


def summed_up(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """With statistics of the validation logits in their place."""
    means, scales = calibration(arrays["validation_logits"])
    rest = {name: values for name, values in arrays.items() if name != "validation_logits"}
    return rest | {"class_means": means, "logit_scale": scales}


def as_pool(arrays: dict[str, np.ndarray]) -> Pool:
    names = ("retain_accuracy", "validation_accuracy", "test_accuracy", "test_losses")
    right = arrays["logits"].argmax(-1) == arrays["labels"]
    return Pool(
        arrays["logits"],
        forget_accuracy=right.mean(1),
        **{name: summed_up(arrays)[name] for name in (*names, "class_means", "logit_scale")},
    )


@pytest.fixture(scope="module")
def row():
    return harness.score(UNLEARNED, RETRAINED, SECOND, FAST)


def test_is_the_score_of_the_leaderboard(row):
    ours, reference, second = map(as_pool, (UNLEARNED, RETRAINED, SECOND))
    labels = UNLEARNED["labels"]
    ceiling = scoring.quality(second, reference, labels, FAST)
    expected = scoring.score(ours, reference, ceiling, labels, FAST)
    beside = metrics.figures(ours, reference, labels, expected.quality.epsilons)
    beside = {name: value for name, value in beside.items() if value is not None}
    assert {name: row[name] for name in expected.figures()} == expected.figures()
    assert {name: row[name] for name in beside} == beside
    assert "membership_inference_accuracy" in row
    assert (row["runs"], row["metric_version"]) == (N, "3")


def test_statistics_do_in_the_place_of_validation_logits(row):
    summed = [summed_up(arrays) for arrays in (UNLEARNED, RETRAINED, SECOND)]
    assert harness.score(*summed, FAST, n_jobs=2) == row


def test_test_losses_may_be_left_out(row):
    def without(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values for name, values in arrays.items() if name != "test_losses"}

    found = harness.score(*map(without, (UNLEARNED, RETRAINED, SECOND)), FAST)
    attacked = row.keys() - found.keys()
    assert attacked == {
        "membership_inference_accuracy",
        "retrained_membership_inference_accuracy",
    }
    assert found == {name: value for name, value in row.items() if name not in attacked}
    assert row.keys() <= COLUMNS.keys() | {"explanations"}


def test_a_fixed_seed_is_flagged():
    equal = UNLEARNED | {"logits": np.repeat(UNLEARNED["logits"][:1], N, axis=0)}
    found = harness.score(equal, RETRAINED, SECOND, ["confidence"])
    assert "identical_runs" in found["flags"].split()
    assert found["explanations"]["identical_runs"].startswith("100% of the runs")


def spoilt(name: str, index: object, value: float) -> np.ndarray:
    values = UNLEARNED[name].copy()
    values[index] = value
    return values


BAD = {
    "NaN": (
        {"logits": spoilt("logits", (3, 1), np.nan)},
        r"unlearned: logits, shape \[20, 10, 3\]: 3 values are NaN",
    ),
    "NaN in validation": (
        {"validation_logits": spoilt("validation_logits", 0, np.inf)},
        r"unlearned: validation_logits, shape \[20, 30, 3\]: 90 values are NaN or infinite",
    ),
    "NaN in an accuracy": (
        {"test_accuracy": spoilt("test_accuracy", 0, np.nan)},
        r"unlearned: test_accuracy, shape \[20\]: 1 values are NaN",
    ),
    "half precision": (
        {"logits": UNLEARNED["logits"].astype(np.float16)},
        r"unlearned: logits, shape .*float16 rounds",
    ),
    "confidences": (
        {"logits": UNLEARNED["logits"][..., 0]},
        r"unlearned: logits, shape \[20, 10\]: pass \[N, F, C\]",
    ),
    "few models": (
        {"logits": UNLEARNED["logits"][:9]},
        r"unlearned: logits, shape \[9, 10, 3\]: 9 models are too few",
    ),
    "one class": (
        {"logits": UNLEARNED["logits"][..., :1]},
        r"unlearned: logits, shape \[20, 10, 1\]: pass two classes or more",
    ),
    "other N": (
        {"test_accuracy": np.full(19, 0.5)},
        r"unlearned: test_accuracy, shape \[19\]: pass \[N\] = \[20\]",
    ),
    "other C": (
        {"validation_logits": np.zeros((N, 30, C + 1))},
        r"unlearned: validation_logits, shape \[20, 30, 4\]: pass \[N, V, C\] = \[20, V, 3\]",
    ),
    "few validation images": (
        {"validation_logits": np.zeros((N, 19, C))},
        r"unlearned: validation_logits, shape \[20, 19, 3\]: calibrating .* at least 20 images",
    ),
    "no validation image": (
        {"validation_logits": np.zeros((N, 0, C))},
        r"unlearned: validation_logits, shape \[20, 0, 3\]: it is empty",
    ),
    "percent": (
        {"retain_accuracy": np.full(N, 97.5)},
        r"unlearned: retain_accuracy, shape \[20\]: runs from 97.5 to 97.5; pass fractions",
    ),
    "negative": (
        {"validation_accuracy": spoilt("validation_accuracy", 0, -0.1)},
        r"unlearned: validation_accuracy, shape \[20\]: runs from -0.1",
    ),
    "label of no class": (
        {"labels": np.arange(F) % (C + 1)},
        r"unlearned: labels, shape \[10\]: they run from 0 to 3; pass class numbers from 0 to 2",
    ),
    "labels that are floats": (
        {"labels": np.zeros(F)},
        r"unlearned: labels, shape \[10\] and float64: pass one integer",
    ),
    "few test losses": (
        {"test_losses": np.ones((N, 9))},
        r"unlearned: test_losses, shape \[20, 9\]: pass 10 test examples or more",
    ),
    "statistics twice": (
        {"class_means": np.zeros((N, C))},
        "unlearned: validation_logits and class_means: pass the logits alone",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses_an_array_by_name_and_shape(case):
    wrong, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        harness.score(UNLEARNED | wrong, RETRAINED, SECOND, FAST)


@pytest.mark.parametrize("name", sorted({*UNLEARNED} - {"test_losses"}))
def test_refuses_what_is_missing(name):
    part = {key: values for key, values in RETRAINED.items() if key != name}
    with pytest.raises(ValueError, match=rf"retrained: no array {name} \[.*; there are: "):
        harness.score(UNLEARNED, part, SECOND, FAST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["class_means"] + 0.5, r"second: class_means, shape \[20, 3\]: a row's mean"),
        (lambda s: -s["logit_scale"], r"second: logit_scale, shape \[20\]: at least -"),
        (lambda s: None, r"second: no array "),
    ],
)
def test_refuses_statistics_that_are_none(change, message):
    summed = summed_up(SECOND)
    name = "logit_scale" if "logit_scale" in message else "class_means"
    if (values := change(summed)) is None:
        del summed[name]
    else:
        summed[name] = values
    with pytest.raises(ValueError, match=message):
        harness.score(UNLEARNED, RETRAINED, summed, FAST)


@pytest.mark.parametrize(
    ("role", "pool", "message"),
    [
        ("second", outputs(2, n=19), r"logits, shape \[19, 10, 3\]: unlearned has 20 models"),
        ("second", RETRAINED, r"logits, shape \[30, 10, 3\]: unlearned has 20 models"),
        (
            "second",
            SECOND | {"logits": np.concatenate([SECOND["logits"][:15], RETRAINED["logits"][:5]])},
            r"logits, shape \[20, 10, 3\]: 5 models are among the retrained",
        ),
        (
            "retrained",
            RETRAINED | {"labels": spoilt("labels", 2, 0)},
            r"labels, shape \[10\]: 1 differ from unlearned, the first at 2",
        ),
        (
            "retrained",
            RETRAINED | {"logits": RETRAINED["logits"][:, :3], "labels": np.arange(3)},
            r"logits, shape \[30, 3, 3\]: unlearned has \[20, 10, 3\]",
        ),
    ],
)
def test_refuses_pools_that_do_not_belong_together(role, pool, message):
    pools = {"unlearned": UNLEARNED, "retrained": RETRAINED, "second": SECOND} | {role: pool}
    with pytest.raises(ValueError, match=f"{role}: {message}"):
        harness.score(**pools, attackers=FAST)


def two_examples(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without the membership attack, which needs ten."""
    kept = {name: values for name, values in arrays.items() if name != "test_losses"}
    return kept | {"logits": arrays["logits"][:, :2], "labels": arrays["labels"][:2]}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, arrays in (("u", UNLEARNED), ("r", RETRAINED), ("s", SECOND)):
        np.savez_compressed(f"{name}.npz", **two_examples(arrays))
    return ["score", "u.npz", "r.npz", "--second", "s.npz"]


def test_the_command_prints_the_row(files, capsys):
    assert main(files) == 0
    printed = dict(re.findall(r"^(\w+) +(.+)$", capsys.readouterr().out, re.MULTILINE))
    assert main([*files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == harness.score(*map(two_examples, (UNLEARNED, RETRAINED, SECOND)))
    assert printed["score"] == f"{found['score']:.6g}"
    assert found.keys() - {"explanations", "flags"} <= printed.keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "u.npz is not an .npz of plain arrays"),
        (b"no zip", "u.npz is not an .npz of plain arrays"),
        ("cut", "u.npz is not an .npz of plain arrays"),
        ("flipped", "u.npz is not an .npz of plain arrays"),
        ("array", "u.npz is not an .npz of plain arrays"),
        ("objects", "u.npz is not an .npz of plain arrays"),
        ("other", "unlearned: no array logits [N, F, C], labels [F], "),
        (None, "No such file or directory: 'u.npz'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_and_exit_code_2(files, content, message, capsys):
    path = Path("u.npz")
    whole = path.read_bytes()
    buffer = io.BytesIO()
    if content == "array":
        np.save(buffer, np.zeros(3))
    elif content == "objects":
        np.savez(buffer, logits=np.array([{}], dtype=object))
    elif content == "other":
        np.savez(buffer, weights=np.zeros(3))
    elif content == "cut":
        buffer.write(whole[: len(whole) // 2])
    elif content == "flipped":
        buffer.write(whole[:200] + bytes(100) + whole[300:])
    elif content is not None:
        buffer.write(content)
    path.write_bytes(buffer.getvalue())
    if content is None:
        path.unlink()
    assert main(files) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


def test_scoring_arrays_needs_no_torch(files):
    code = (
        "import sys; from harness.__main__ import main; "
        f"code = main({files!r}); sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_worked_example_of_the_documents_runs(tmp_path, monkeypatch, capsys):
    text = (ROOT / "docs/bring-your-own.md").read_text()
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n# make_outputs\.py\n(.*?)```", text, re.DOTALL)
    subprocess.run([sys.executable, "-c", program], check=True)
    (command,) = re.findall(r"^ {4}harness (score \S+\.npz .*)$", text, re.MULTILINE)
    assert main([*command.split(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (call,) = re.findall(r"```python\n(import harness.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(call, names)
    assert names["row"] == found
    assert 0.1 < found["score"] < 0.95
    listed = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert listed == external.SHAPES.keys()
