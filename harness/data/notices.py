"""What a host should know of the data, although nothing stops: said once, to stderr or a log."""

from __future__ import annotations

import functools
import logging


@functools.cache
def tell(text: str) -> None:
    """Log a warning, the same only once in a process, however often its data is read."""
    logging.getLogger("harness").warning(text)
