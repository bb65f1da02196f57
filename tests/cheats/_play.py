"""Runs a file on a reference and scores it: what the cheats' tests and benchmark share."""

import ast
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from harness import submission as submissions
from harness.outputs import Observer
from harness.reference.pools import Reference
from harness.runs import perform
from harness.sandbox.host import Zygote
from harness.scoring import Score, quality, score

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "submissions"


class Trick(NamedTuple):
    """A cheat on top of an honest method."""

    cheat: str
    under: str
    gains: bool

    def __str__(self) -> str:
        return f"{self.cheat} on {self.under}"


def _tricks() -> list[Trick]:
    found = []
    for path in sorted(HERE.glob("[a-z]*.py")):
        if not path.name.startswith("test_"):
            says = {
                node.targets[0].id: ast.literal_eval(node.value)
                for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.Assign)
            }
            found += [Trick(path.stem, under, says["GAINS"]) for under in says["UNDER"]]
    return found


TRICKS = _tricks()


@contextlib.contextmanager
def player(
    reference: Reference, observer: Observer, workspace: Path
) -> Iterator[Callable[[Path], Score]]:
    """A function that scores a file, as often run as the reference has models."""
    labels, retrained = reference.data.forget["label"], reference.retrained
    ceiling = quality(reference.second, retrained, labels)
    played: dict[Path, Score] = {}

    def play(path: Path) -> Score:
        if path not in played:
            runs = perform(
                submissions.read(path, largest_kb=1024),
                zygote,
                observer,
                reference.competition.evaluation.limits,
                len(retrained),
                workspace / f"runs-{reference.fingerprint}-{path.stem}",
                b"key",
                progress=False,
            )
            played[path] = score(runs.pool, retrained, ceiling, labels)
        return played[path]

    with Zygote(reference.inputs) as zygote:
        yield play


def honest(method: str) -> Path:
    """The file of a method that ships."""
    return SHIPPED / f"{method}.py"


def written(trick: Trick, workspace: Path) -> Path:
    """A submission that is the method with the cheat on top."""
    method = honest(trick.under).read_text().replace("def unlearning(", "def honest(")
    cheat = (HERE / f"{trick.cheat}.py").read_text()
    path = workspace / f"{trick.under}_{trick.cheat}.py"
    path.write_text(
        f"{method}\n\n{cheat}\n\ndef unlearning(net, retain, forget, val):\n"
        "    cheat(net, retain, forget, val, honest)\n"
    )
    return path
