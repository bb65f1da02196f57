"""The walls around a run: one protocol, and one backend a file, the strongest first."""

from harness.sandbox.walls.bubblewrap import Bubblewrap
from harness.sandbox.walls.landlock import Landlock
from harness.sandbox.walls.namespaces import Namespaces
from harness.sandbox.walls.none import NoWalls
from harness.sandbox.walls.protocol import Walls

BACKENDS: tuple[type[Walls], ...] = (Bubblewrap, Namespaces, Landlock, NoWalls)
WALLS = {backend.name: backend for backend in BACKENDS}
