"""No trick scores above the honest submission underneath it, within the intervals."""

from pathlib import Path

import pytest

from harness import submission as submissions
from harness.epsilon import forgetting_quality
from harness.runs import perform
from harness.sandbox import WarmParent
from harness.scoring import Score, score
from tests.small import small_competition

CHEATS = sorted(
    p.stem for p in Path(__file__).parent.glob("*.py") if "test" not in p.stem and p.stem[0] != "_"
)


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("cheats")
    reference, observer = small_competition(workspace)
    labels = reference.data.forget["label"]
    ceiling = forgetting_quality(
        reference.second.forget_logits, reference.retrained.forget_logits, labels
    )

    def evaluate(name: str, cheat: bool) -> Score:
        source = (Path(__file__).parent / f"{name}.py").read_text()
        assert "CHEAT = True" in source
        path = workspace / f"{name}_{cheat}.py"
        path.write_text(source.replace("CHEAT = True", f"CHEAT = {cheat}"))
        runs = perform(
            submissions.read(path),
            parent,
            observer,
            reference.competition.evaluation.limits,
            len(reference.retrained),
            workspace / path.stem,
            "key",
            progress=False,
        )
        return score(runs.pool, reference.retrained, ceiling, labels)

    with WarmParent(reference.inputs) as parent:
        yield evaluate


@pytest.mark.parametrize("name", CHEATS)
def test_a_trick_does_not_pay(evaluate, name):
    cheat, honest = evaluate(name, True), evaluate(name, False)
    assert cheat.low <= honest.high
    assert cheat.value < 0.5
