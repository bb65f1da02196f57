"""The three standard streams, whatever started us."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def mend() -> None:
    """Make sure that all three standard streams exist and can write any text.

    A daemon may start us without them. The next files that we open would then take their numbers,
    and what we print would go there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    # A terminal that cannot show "ë" shows "\xeb".
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
