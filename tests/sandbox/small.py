"""A small competition's inputs, submissions from text, and sandboxes with tight limits."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import torch
from safetensors.torch import save_file

from harness.competition import Limits
from harness.models import build
from harness.sandbox.host import Server, Zygote
from harness.sandbox.host.levels import VARIABLE
from harness.submission import Submission, read

LIMITS = Limits(seconds=4, memory_mb=800, scratch_mb=16, processes=24, output_kb=64)
ARGUMENTS = {"channels": 1, "classes": 10, "widths": [4, 8]}
RETAIN, FORGET, VALIDATION = 96, 16, 20


def write_inputs(folder: Path) -> Path:
    """Random images and a random original model, as a host would write them."""
    torch.manual_seed(0)
    competition = {"architecture": "small_resnet", "arguments": ARGUMENTS, "batch_size": 32}
    (folder / "competition.json").write_text(json.dumps(competition))
    (folder / "age_class_weights.json").write_text(json.dumps([1.0] * 10))
    (folder / "empty.txt").touch()
    save_file(build("small_resnet", **ARGUMENTS).state_dict(), folder / "original.safetensors")
    first = 0
    for split, count in (("retain", RETAIN), ("forget", FORGET), ("validation", VALIDATION)):
        columns = {
            "image": torch.rand(count, 1, 8, 8),
            "label": torch.randint(10, (count,)),
            "image_id": torch.arange(first, first + count),
        }
        save_file(columns, folder / f"{split}.safetensors")
        first += count
    return folder


def submit(folder: Path, text: str, name: str = "mine") -> Submission:
    """Read a submission with this text, as from a participant's file."""
    path = folder / f"{name}.py"
    path.write_text(dedent(text))
    return read(path)


def unread(text: str, name: str = "mine") -> Submission:
    """A submission that the host's check has not seen: what it forbids has to fail inside too."""
    source = dedent(text).encode()
    digest = hashlib.sha256(source).hexdigest()
    return Submission(name, Path(f"{name}.py"), source, digest, ())


@contextlib.contextmanager
def at_level(level: str, submission: Submission, inputs: Path, limits: Limits) -> Iterator[Server]:
    """A sandbox at this level, whatever better one the machine has."""
    with Zygote(inputs, require=level) as zygote:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = level
        try:
            server = Server(submission, zygote, limits)
        finally:
            del os.environ[VARIABLE]
            if before is not None:
                os.environ[VARIABLE] = before
        with server:
            yield server


def several(cases: dict[str, str], prelude: str = "") -> tuple[Submission, dict[str, int]]:
    """One submission out of many, so that one warm sandbox serves them all, and their seeds.

    A run executes the case that its seed, modulo 1000, says; each has a process of its own. The
    file seeds everything with a constant, as many a real one does, which must not matter.

    Parameters
    ----------
    prelude : str
        Code that every run executes first.
    """
    source = f"""
        import random, numpy, torch
        torch.manual_seed(7); numpy.random.seed(7); random.seed(7)
        CASES = {[dedent(case) for case in cases.values()]!r}
        def unlearning(net, retain, forget, val):
            scope = {{"__name__": __name__}}
            exec({prelude!r}, {{}})
            exec(compile(CASES[torch.initial_seed() % 1000], "mine.py", "exec"), scope)
            return scope["unlearning"](net, retain, forget, val)
        """
    return unread(source), {case: seed for seed, case in enumerate(cases)}
