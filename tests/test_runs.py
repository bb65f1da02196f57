"""The N runs: stored one by one, resumed, and stopped by the first that fails."""

import numpy as np
import pytest
from joblib import cpu_count

from harness import submission as submissions
from harness.run_store import TOGETHER, RunStore
from harness.runs import Runs, perform, read, seed
from harness.sandbox.host import Zygote
from harness.store import Store
from harness.submission import Verdict
from tests.small import small_competition

NOISE = """
import torch

def unlearning(net, retain, forget, val):
    print("unlearning", len(retain.dataset))
    with torch.no_grad():
        net.fc.bias.add_(torch.randn(10))
"""
COUNT = TOGETHER + 4


@pytest.fixture(scope="module")
def setting(trained):
    reference, observer = small_competition(trained)
    with Zygote(reference.inputs) as zygote:
        yield reference, observer, zygote


@pytest.fixture
def run(setting, tmp_path):
    reference, observer, zygote = setting

    def run(
        source: str,
        count: int = COUNT,
        log: list[str] | None = None,
        keep_weights: bool = False,
        **limits,
    ) -> Runs:
        path = tmp_path / "mine.py"
        path.write_text(source)
        own = reference.competition.evaluation.limits
        return perform(
            submissions.read(path),
            zygote,
            observer,
            type(own)(**(vars(own) | limits)),
            count,
            tmp_path / "runs",
            b"key",
            log=(log if log is not None else []).append,
            keep_weights=keep_weights,
            progress=False,
        )

    run.folder = tmp_path / "runs"
    return run


def test_every_run_is_stored_and_has_its_own_seed(run):
    log: list[str] = []
    runs = run(NOISE, log=log)
    assert len(runs.pool) == len(runs.seconds) == COUNT
    assert len(np.unique(runs.pool.forget_logits[:, 0, 0])) == COUNT
    assert sum("unlearning 850" in line for line in log) == COUNT
    assert log[0].startswith(f"isolation {runs.isolation}")
    assert np.array_equal(run(NOISE).pool.forget_logits, runs.pool.forget_logits)


def test_only_what_is_missing_or_damaged_is_run_again(run):
    whole = run(NOISE)
    last = sorted(run.folder.glob("outputs-*"))[-1]
    last.unlink()
    (run.folder / f"run-{TOGETHER:04d}.safetensors").unlink()
    damaged = run.folder / f"run-{TOGETHER + 2:04d}.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    log: list[str] = []
    again = run(NOISE, log=log)
    assert [line.split(":")[0] for line in log[1:]] == [
        f"run {TOGETHER}",
        f"run {TOGETHER + 2}",
    ]
    for name, values in whole.pool.arrays().items():
        assert np.array_equal(values, getattr(again.pool, name)), name


def test_weights_go_when_the_outputs_of_their_batch_are_stored(run):
    whole = run(NOISE)
    assert len(list(run.folder.glob("run-*"))) == COUNT - TOGETHER
    damaged = sorted(run.folder.glob("outputs-*"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    log: list[str] = []
    again = run(NOISE, log=log)
    assert len(log) == 1 + TOGETHER
    assert np.array_equal(whole.pool.forget_logits, again.pool.forget_logits)


def test_weights_stay_where_they_are_wanted_and_are_made_again_where_they_were_not(run):
    before = run(NOISE)
    assert not run.folder.joinpath("run-0000.safetensors").exists()
    log: list[str] = []
    after = run(NOISE, log=log, keep_weights=True)
    assert len(log) == 1 + TOGETHER
    stored = RunStore(run.folder)
    assert stored.has_weights(COUNT)
    assert not stored.has_weights(COUNT + 1)
    weights = [stored.get(f"run-{i:04d}")["fc.bias"] for i in range(COUNT)]
    assert len(np.unique(np.stack(weights), axis=0)) == COUNT
    assert np.array_equal(before.pool.forget_logits, after.pool.forget_logits)
    log.clear()
    run(NOISE, log=log, keep_weights=True)
    assert log == []


def test_what_is_stored_can_be_read_without_running(run):
    assert read(run.folder, 4) is None
    assert not run.folder.exists()
    done = run(NOISE)
    found = read(run.folder, COUNT)
    assert np.array_equal(found.pool.forget_logits, done.pool.forget_logits)
    assert np.array_equal(found.seconds, done.seconds)
    assert found.isolation == done.isolation
    assert read(run.folder, COUNT + 1) is None
    sorted(run.folder.glob("outputs-*"))[0].unlink()
    assert read(run.folder, COUNT) is None


def test_outputs_of_other_runs_are_not_taken_for_these(run):
    first = run(NOISE, count=4)
    stored = Store(run.folder)
    weights = stored.get("run-0002")
    stored.put("run-0002", {k: v + 1 for k, v in weights.items()}, **stored.facts("run-0002"))
    log: list[str] = []
    other = run(NOISE, count=4, log=log)
    assert log == []
    changed = np.abs(other.pool.forget_logits - first.pool.forget_logits).max(axis=(1, 2)) > 1
    assert changed.tolist() == [False, False, True, False]


def test_more_runs_go_on_from_fewer(run):
    few = run(NOISE, count=4)
    log: list[str] = []
    many = run(NOISE, log=log)
    assert len(log) == 1 + COUNT - 4
    np.testing.assert_allclose(many.pool[:4].forget_logits, few.pool.forget_logits, rtol=1e-4)


def test_the_first_failing_run_is_the_verdict_and_is_not_kept(run):
    failing = f"""
import torch

def unlearning(net, retain, forget, val):
    if torch.initial_seed() in {[seed(b"key", i) for i in (4, 6)]}:
        raise ValueError("not this one")
"""
    with pytest.raises(Verdict) as verdict:
        run(failing)
    assert verdict.value.status == "crashed"
    assert verdict.value.message.startswith("run 4: ")
    assert "ValueError: not this one" in verdict.value.message
    stored = Store(run.folder)
    assert all(stored.get(f"run-{i:04d}") is not None for i in range(4))
    assert stored.get("run-0004") is None


@pytest.mark.parametrize(
    "harm", ["fc.weight.fill_(3e38)", "bn1.running_var.neg_()", "conv1.weight.fill_(3e38)"]
)
def test_outputs_that_are_not_finite_are_a_verdict_that_names_the_run(run, harm):
    failing = f"""
import torch

def unlearning(net, retain, forget, val):
    if torch.initial_seed() == {seed(b"key", 2)}:
        with torch.no_grad():
            net.{harm}
"""
    for _ in range(2):  # as well when the outputs are stored already
        with pytest.raises(Verdict, match="run 2: .* outputs are not") as verdict:
            run(failing, count=4)
        assert verdict.value.status == "invalid_weights"


def test_all_runs_together_have_a_limit(run):
    with pytest.raises(Verdict, match="all of them together may take 0.05 s") as verdict:
        run("import time\ndef unlearning(n, r, f, v): time.sleep(0.1)", total_seconds=0.05)
    assert verdict.value.status == "timeout"


def test_the_limit_of_all_runs_counts_those_that_were_done_before(run):
    slow = "import time\ndef unlearning(n, r, f, v): time.sleep(0.1)"
    run(slow, count=4)
    done = sum(RunStore(run.folder).run_facts(i)["seconds"] for i in range(4))
    with pytest.raises(Verdict, match="5 of 6 runs took") as verdict:
        run(slow, count=6, total_seconds=done / cpu_count())
    assert verdict.value.status == "timeout"


def test_seeds_differ_and_tell_nothing():
    seeds = [seed(b"key", i) for i in range(512)]
    assert len(set(seeds)) == 512
    assert set(seeds).isdisjoint(seed(b"another", i) for i in range(512))
    assert 0.4 < np.mean([s % 2 for s in seeds]) < 0.6
    assert all(0 <= s < 2**63 for s in seeds)
