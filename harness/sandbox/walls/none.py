"""No walls: a subprocess with limits, as an ordinary user."""

from __future__ import annotations

from collections.abc import Sequence

from harness.sandbox.walls.plain import InOneWorld
from harness.sandbox.walls.restrict import let_go, restrict


class NoWalls(InOneWorld):
    """Limits only: a run can read files and use the network."""

    name = "none"
    level = "none"
    fixed_buffers = False

    def enter(self, keep: Sequence[int]) -> None:
        let_go(keep)
        self._enter_own_folder()
        restrict(self._limits, b"")
