"""Every trick of tests/cheats/ beside the honest submission underneath, on `digits` at N = 512."""

import sys
import tempfile
from pathlib import Path

from joblib import parallel_config

from harness import competition
from harness.outputs import Observer
from harness.reference.pools import prepare
from tests.cheats._play import TRICKS, honest, player, written


def main(runs: int = 512) -> None:
    reference = prepare(competition.load("digits", runs=runs))
    observer = Observer(reference.competition.model, reference.data)
    print("| trick | score | honest score | strict score | honest strict score | gains |")
    print("|---|---|---|---|---|---|")
    with (
        parallel_config(n_jobs=-1),
        tempfile.TemporaryDirectory() as name,
        player(reference, observer, folder := Path(name)) as play,
    ):
        for trick in TRICKS:
            cheat, underneath = play(written(trick, folder)), play(honest(trick.under))
            pairs = [(cheat, underneath), (cheat.strict, underneath.strict)]
            cells = [f"{s.value:.4f} ({s.low:.4f}-{s.high:.4f})" for pair in pairs for s in pair]
            gains = [
                name
                for (c, h), name in zip(pairs, ("score", "strict"), strict=True)
                if c.value > h.high
            ]
            print(f"| {trick} | {' | '.join(cells)} | {', '.join(gains) or 'no'} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
