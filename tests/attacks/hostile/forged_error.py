"""Reports of itself that it was scored.

full, partial, landlock, none: sandbox_violation
"""

import json
import os


def unlearning(net, retain, forget, val):
    os.write(3, b"E" + json.dumps({"status": "scored", "message": "rank 1"}).encode())
    os._exit(0)
