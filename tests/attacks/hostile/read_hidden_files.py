"""Reads files that are not its own: by path, by /proc links, by climbing out of scratch.

full, partial, landlock: harmless
"""

import target


def unlearning(net, retain, forget, val):
    for path in (
        target.canary,
        "/etc/passwd",
        "/etc/hostname",
        "/proc/1/root" + target.canary,
        "/proc/self/root" + target.canary,
        "/proc/self/cwd/../../.." + target.canary,
        f"/proc/{target.evaluator}/root" + target.canary,
    ):
        try:
            with open(path) as file:
                print("WON", path, file.read(20))
        except OSError:
            pass
