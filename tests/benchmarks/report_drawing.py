"""Time and size of the report of 200 rows: all drawn, none changed, one changed.

python -m tests.benchmarks.report_drawing [rows]

The rows are those of `results/digits`, under other names until there are enough; each is drawn from
its own 512 runs. If nothing was evaluated yet, `finetune` is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from harness import leaderboard
from harness.evaluation import evaluate

ROOT = Path(__file__).parents[2]


def copies(results: Path, into: Path, rows: int) -> None:
    """A board of so many rows, whose runs are links to those of real ones."""
    found = sorted(results.glob("submissions/*/row-512.json"))
    scored = [path for path in found if "score_low" in json.loads(path.read_text())]
    for number, path in enumerate(islice(cycle(scored), rows)):
        row = json.loads(path.read_text())
        row["submission"] = f"{row['submission']}_{number}"
        folder = leaderboard.submission_folder(into, row["submission"])
        folder.mkdir(parents=True)
        for own in path.parent.resolve().iterdir():
            if own.name != path.name:
                (folder / own.name).symlink_to(own)
        (folder / path.name).write_text(json.dumps(row))
    leaderboard.update(into, row.get("reference") or row["key"])


def draw(folder: Path) -> str:
    """Seconds of the command, start of Python included, and those of the processor."""
    begin, before = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, "-m", "harness", "report"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    spent, after = time.perf_counter() - begin, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])
    return f"{spent:.1f} | {processor:.1f}"


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    results = leaderboard.results_folder("digits")
    if not results.exists():
        evaluate("submissions/finetune.py")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "reference").symlink_to(Path("reference").resolve())
        copies(results, folder / results, rows)
        print(f"| {rows} rows | s | processor, s |\n|---|---|---|")
        print(f"| all drawn | {draw(folder)} |")
        print(f"| none changed | {draw(folder)} |")
        log = next((folder / results).glob("submissions/*/log.txt"))
        text = log.read_text()
        log.unlink()
        log.write_text(text + "changed\n")
        print(f"| one changed | {draw(folder)} |")
        sizes = [path.stat().st_size for path in (folder / results / "report").iterdir()]
        print(f"\nfirst page {(folder / results / 'report.html').stat().st_size / 1e6:.2f} MB,")
        print(f"{len(sizes)} pages of {sum(sizes) / len(sizes) / 1e3:.0f} kB on average")


if __name__ == "__main__":
    main()
