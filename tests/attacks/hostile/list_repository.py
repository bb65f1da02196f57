"""Lists the repository, with its other submissions and retrained pools, and the homes.

full, partial, landlock: harmless
"""

import os
import sys

import target

SECRET = {"submissions", "results", "reference", "tests", "harness", ".git", "README.md"}


def unlearning(net, retain, forget, val):
    # On the way to the interpreter a run sees the folders' names, and nothing beside them.
    on_the_way = {part for path in (sys.prefix, sys.base_prefix) for part in path.split("/")}
    for path in (target.repository, os.path.dirname(target.repository)):
        if SECRET & seen(path):
            print("WON", path)
    for path in ("/root", "/home"):
        if seen(path) - on_the_way:
            print("WON", path)


def seen(path):
    try:
        return set(os.listdir(path))
    except OSError:
        return set()
