"""What comes out of a run: pipes read to their end."""

from __future__ import annotations

import os
import select
import time

from harness.sandbox.host.errors import SandboxError

_CHUNK = 1 << 16


class Stream:
    """Our end of a pipe, of which the first `keep` bytes are kept."""

    def __init__(self, fd: int, keep: int) -> None:
        self.fd = fd
        self.keep = keep
        self.data = bytearray()
        self.dropped = 0
        os.set_blocking(fd, False)

    def read(self) -> int:
        """Take what is there: how many bytes; 0 at the end, -1 if there is nothing now."""
        try:
            chunk = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return -1
        room = self.keep - len(self.data)
        self.data += chunk[:room]
        self.dropped += len(chunk[room:])
        return len(chunk)

    def text(self) -> str:
        """What was kept, with a note of what was not."""
        text = self.data.decode(errors="replace")
        return f"{text}\n[{self.dropped:,} more bytes dropped]\n" if self.dropped else text


def drain(streams: list[Stream], until: Stream, seconds: float) -> None:
    """Read all of them until the last one ends, which is when there is no one left to write."""
    poll = select.poll()
    waiting = {stream.fd: stream for stream in (*streams, until)}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + seconds
    while until.fd in waiting:
        for fd, _ in poll.poll(1000):
            if waiting[fd].read() == 0:
                poll.unregister(fd)
                del waiting[fd]
        if time.monotonic() > deadline:
            raise SandboxError("the sandbox did not end a run in time")
    for stream in waiting.values():
        while stream.read() > 0:
            pass
