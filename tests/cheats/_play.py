"""Runs a file on a reference and scores it: what the cheats' tests and benchmark share."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import submission as submissions
from harness.epsilon import forgetting_quality
from harness.outputs import Observer
from harness.reference.pools import Reference
from harness.runs import perform
from harness.sandbox.host import Zygote
from harness.scoring import Score, score

HERE = Path(__file__).parent
CHEATS = sorted(p.stem for p in HERE.glob("*.py") if "test" not in p.stem and p.stem[0] != "_")


@contextlib.contextmanager
def player(
    reference: Reference, observer: Observer, workspace: Path
) -> Iterator[Callable[[Path], Score]]:
    """A function that scores a file, as often run as the reference has models."""
    labels, retrained = reference.data.forget["label"], reference.retrained
    ceiling = forgetting_quality(reference.second.forget_logits, retrained.forget_logits, labels)

    def play(path: Path) -> Score:
        runs = perform(
            submissions.read(path),
            zygote,
            observer,
            reference.competition.evaluation.limits,
            len(retrained),
            workspace / f"runs-{reference.fingerprint}-{path.stem}",
            "key",
            progress=False,
        )
        return score(runs.pool, retrained, ceiling, labels)

    with Zygote(reference.inputs) as zygote:
        yield play


def variant(name: str, cheat: bool, workspace: Path) -> Path:
    """The cheat itself, or the honest submission underneath it."""
    source = (HERE / f"{name}.py").read_text()
    assert "CHEAT = True" in source
    path = workspace / f"{name}_{cheat}.py"
    path.write_text(source.replace("CHEAT = True", f"CHEAT = {cheat}"))
    return path
