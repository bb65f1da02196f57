"""Every trick of tests/cheats/ beside the honest submission underneath, on `digits` at N = 512."""

import sys
import tempfile
from pathlib import Path

from harness import competition
from harness.outputs import Observer
from harness.reference.pools import prepare
from tests.cheats._play import CHEATS, player, variant


def main(runs: int = 512) -> None:
    reference = prepare(competition.load("digits", runs=runs))
    observer = Observer(reference.competition.model, reference.data)
    print("| trick | its score | the honest one's | pays |\n|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as name,
        player(reference, observer, folder := Path(name)) as play,
    ):
        for trick in CHEATS:
            cheat, honest = (play(variant(trick, cheats, folder)) for cheats in (True, False))
            cells = (f"{s.value:.4f} ({s.low:.4f}-{s.high:.4f})" for s in (cheat, honest))
            print(f"| {trick} | {' | '.join(cells)} | {cheat.low > honest.high} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
