"""`make bench`: every measurement on the CPU, one after another, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

os.chdir(HERE.parents[1])
for path in sorted(set(HERE.glob("[a-z]*.py")) - {HERE / "gpu.py"}):
    print(f"\n## {path.stem}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"tests.benchmarks.{path.stem}"], check=True)
