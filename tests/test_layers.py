"""The layers of the design stay apart: who may import whom, and what never meets torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Everything may import these.
COMMON = {
    "harness.columns",
    "harness.competition",
    "harness.device",
    "harness.exhaustion",
    "harness.store",
    "harness.text",
    "harness.pool",
    "harness.workers",
}
# What each layer may import of the harness besides itself and the common ones.
ALLOWED = {
    "harness.arguments": {"harness"},
    "harness.sources": set(),
    "harness.starting": {"harness.sources"},
    "harness.tables": set(),
    "harness.columns": set(),
    "harness.rules": set(),
    "harness.streams": set(),
    "harness.competition": {"harness.rules", "harness.sources", "harness.tables"},
    "harness.store": set(),
    "harness.cluster": set(),
    "harness.device": set(),
    "harness.exhaustion": set(),
    "harness.orphans": set(),
    "harness.pool": {"harness.epsilon"},
    "harness.workers": {"harness.cluster", "harness.orphans"},
    "harness.models": set(),
    "harness.batches": set(),
    "harness.fused": set(),
    "harness.trimming": set(),
    "harness.notebook": set(),
    "harness.driver": set(),
    "harness.branches": set(),
    "harness.extraction": {"harness.branches", "harness.notebook"},
    "harness.parsing": {"harness.driver", "harness.extraction", "harness.notebook"},
    "harness.names": set(),
    "harness.log": {"harness.submission"},
    "harness.scorer": set(),
    "harness.submission": {"harness.driver", "harness.names"},
    "harness.terminal": set(),
    "harness.text": set(),
    "harness.data": {"harness.epsilon", "harness.tables"},
    "harness.epsilon": set(),
    "harness.scoring": {"harness.epsilon"},
    "harness.metrics": {"harness.epsilon"},
    "harness.diagnostics": {"harness.epsilon"},
    "harness.outputs": {
        "harness.data",
        "harness.epsilon",
        "harness.fused",
        "harness.models",
    },
    "harness.sandbox": set(),
    "harness.sandbox.walls": set(),
    "harness.sandbox.guest": {
        "harness.batches",
        "harness.models",
        "harness.notebook",
        "harness.sandbox.walls",
    },
    "harness.sandbox.host": {"harness.sandbox.walls", "harness.submission"},
    "harness.run_store": {
        "harness.outputs",
        "harness.sandbox.host",
        "harness.submission",
    },
    "harness.runs": {
        "harness.run_store",
        "harness.sandbox.host",
        "harness.submission",
        "harness.outputs",
    },
    "harness.leaderboard": {"harness.scoring", "harness.names", "harness.sources"},
    "harness.reference": {
        "harness.batches",
        "harness.data",
        "harness.epsilon",
        "harness.fused",
        "harness.models",
        "harness.outputs",
        "harness.scorer",
        "harness.scoring",
        "harness.sources",
        "harness.trimming",
    },
    "harness.yardstick": {
        "harness.outputs",
        "harness.sandbox.host",
        "harness.run_store",
        "harness.runs",
        "harness.submission",
        "harness.reference",
    },
    "harness.rows": {
        "harness.diagnostics",
        "harness.epsilon",
        "harness.leaderboard",
        "harness.log",
        "harness.metrics",
        "harness.reference",
        "harness.runs",
        "harness.scoring",
        "harness.yardstick",
    },
    "harness.board": {
        "harness.epsilon",
        "harness.leaderboard",
        "harness.log",
        "harness.reference",
        "harness.rows",
        "harness.run_store",
        "harness.runs",
        "harness.scorer",
        "harness.sources",
        "harness.submission",
    },
    "harness.rescoring": {
        "harness.board",
        "harness.leaderboard",
        "harness.names",
        "harness.reference",
        "harness.runs",
        "harness.submission",
        "harness.yardstick",
    },
    "harness.evaluation": {
        "harness.board",
        "harness.leaderboard",
        "harness.log",
        "harness.names",
        "harness.outputs",
        "harness.reference",
        "harness.rescoring",
        "harness.run_store",
        "harness.runs",
        "harness.sandbox.host",
        "harness.submission",
        "harness.yardstick",
    },
    "harness.external": {
        "harness.diagnostics",
        "harness.epsilon",
        "harness.metrics",
        "harness.scoring",
    },
    "harness.state_dicts": {
        "harness.competition",
        "harness.data",
        "harness.external",
        "harness.models",
        "harness.outputs",
        "harness.pool",
        "harness.reference",
        "harness.run_store",
    },
    "harness.check": {
        "harness.columns",
        "harness.epsilon",
        "harness.leaderboard",
        "harness.diagnostics",
        "harness.run_store",
        "harness.scoring",
        "harness.outputs",
        "harness.runs",
        "harness.sandbox.host",
        "harness.submission",
        "harness.yardstick",
        "harness.reference",
    },
    "harness.testing": {"harness.data", "harness.epsilon", "harness.models"},
    "harness.hosting": {"harness.data", "harness.epsilon", "harness.reference"},
    "harness.teams": {
        "harness.leaderboard",
        "harness.names",
        "harness.rules",
        "harness.submission",
    },
    "harness.twin": {"harness.data", "harness.leaderboard"},
    "harness.running": {"harness.evaluation", "harness.sandbox.host"},
    "harness.upkeep": {
        "harness",
        "harness.epsilon",
        "harness.leaderboard",
        "harness.names",
        "harness.reference",
        "harness.sources",
        "harness.teams",
    },
    "harness.repair": {
        "harness.data",
        "harness.leaderboard",
        "harness.log",
        "harness.models",
        "harness.names",
        "harness.outputs",
        "harness.report",
        "harness.run_store",
        "harness.runs",
        "harness.sandbox.host",
        "harness.sources",
        "harness.submission",
        "harness.reference",
        "harness.tables",
    },
    "harness.report": {
        "harness.diagnostics",
        "harness.epsilon",
        "harness.leaderboard",
        "harness.run_store",
        "harness.runs",
        "harness.reference",
        "harness.sources",
    },
    "harness.__main__": {
        "harness.arguments",
        "harness.check",
        "harness.evaluation",
        "harness.external",
        "harness.hosting",
        "harness.starting",
        "harness.leaderboard",
        "harness.names",
        "harness.repair",
        "harness.report",
        "harness.rescoring",
        "harness.sandbox.host",
        "harness.sources",
        "harness.state_dicts",
        "harness.running",
        "harness.streams",
        "harness.submission",
        "harness.terminal",
        "harness.reference",
        "harness.teams",
        "harness.twin",
        "harness.upkeep",
    },
    "harness": {"harness.epsilon", "harness.evaluation", "harness.external"},
}
PURE = ("harness.epsilon", "harness.scoring", "harness.metrics", "harness.diagnostics")


def layer(module: str) -> str:
    """The longest name in `ALLOWED` that the module belongs to."""
    return max(
        (name for name in ALLOWED if module == name or module.startswith(name + ".")), key=len
    )


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "harness").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Every module that the file imports, as far as names tell."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the layer"
            nested = {f"{node.module}.{alias.name}" for alias in node.names}
            known = nested & set(modules())
            names.update(known or {node.module})
    return names


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_run_one_way(module):
    own = layer(module)
    ours = {name for name in imports(modules()[module]) if name in modules()}
    used = {layer(name) for name in ours} - {own} - COMMON
    assert used <= ALLOWED[own], f"{module} imports {sorted(used - ALLOWED[own])}"


@pytest.mark.parametrize("module", [m for m in sorted(modules()) if layer(m) in PURE])
def test_scoring_is_pure(module):
    outside = {name.split(".")[0] for name in imports(modules()[module])}
    assert not outside & {"torch", "torchvision", "pathlib", "os", "io", "shutil", "tempfile"}


def test_importing_the_harness_does_not_import_torch():
    code = "import harness, sys; harness.neurips2023; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_harness_offers_and_shows_what_it_names():
    code = "import harness; [getattr(harness, name) for name in harness.__all__]; "
    code += "assert dir(harness) == sorted(harness.__all__)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_file_says_what_it_answers_for_and_stays_short(module):
    path = modules()[module]
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} has no first line"
    assert len(text.splitlines()) <= 310, f"{path} is more than one thing"


def test_no_duration_follows_the_wall_clock() -> None:
    """A clock that jumps changes when a row was made and a file handed in, and nothing else."""
    found = [
        (path.name, line.strip())
        for path in (ROOT / "harness").rglob("*.py")
        for line in path.read_text().splitlines()
        if "time.time(" in line or "datetime.now(" in line or "utcnow" in line
    ]
    assert sorted(name for name, _ in found) == ["board.py", "teams.py"]
    assert "evaluated_at" in dict(found)["board.py"]
