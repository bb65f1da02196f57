"""Tells a host about the data without stopping: once, to stderr or a log."""

from __future__ import annotations

import functools
import logging


@functools.cache
def tell(text: str) -> None:
    """Log a warning once per process, however often the data is read."""
    logging.getLogger("harness").warning(text)
