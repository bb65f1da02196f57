"""Artefacts on disk: whole or absent, checked by their checksum, locked while they are written."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

# A line of the manifest, and the content of its file unless that was dropped.
Content = tuple[dict[str, Any], bytes | None]


class StoreError(RuntimeError):
    """An artefact cannot be kept; the message says why."""


class Busy(StoreError):
    """Another process is writing to the same folder."""


class Store:
    """A folder of named sets of arrays, and a manifest of those that are whole.

    An entry counts once its line stands in `manifest.jsonl`, which is written last. An entry whose
    file is missing, cut short or altered counts as absent, so its maker makes it again. A process
    that is killed loses at most what it was about to store.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._manifest = folder / "manifest.jsonl"
        self._entries = dict(_read_manifest(self._manifest))
        self._writing = threading.Lock()

    def put(self, name: str, arrays: Mapping[str, np.ndarray], **facts: Any) -> None:
        """Keep `arrays` under `name`, with facts that JSON can hold."""
        content = save({key: np.asarray(array, order="C") for key, array in arrays.items()})
        entry = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "facts": facts}
        self.adopt([(entry, content)])

    def adopt(self, contents: Iterable[Content]) -> None:
        """Keep what another store holds, as its `contents` say."""
        for entry, content in contents:
            with self._writing:
                if content is not None:
                    write(self._file(entry["name"]), content)
                # A line cut short by a full disk or a kill must not swallow the next one.
                append(self._manifest, "\n" + json.dumps(entry))
                self._entries[entry["name"]] = entry

    def contents(self) -> list[Content]:
        """Everything that was kept, for another store to adopt."""
        return [
            (entry, self._file(name).read_bytes() if self.holds(name) else None)
            for name, entry in self._entries.items()
        ]

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays kept under `name`, or None if they are absent or damaged."""
        if name not in self._entries:
            return None
        try:
            content = self._file(name).read_bytes()
            if hashlib.sha256(content).hexdigest() != self._entries[name]["sha256"]:
                return None
            return load(content)
        except (OSError, SafetensorError):
            return None

    def facts(self, name: str) -> dict[str, Any]:
        """What was noted when `name` was kept; empty if it never was."""
        return self._entries[name]["facts"] if name in self._entries else {}

    def checksum(self, name: str) -> str:
        """SHA-256 of what was kept under `name`; empty if it never was."""
        return self._entries[name]["sha256"] if name in self._entries else ""

    def holds(self, name: str) -> bool:
        """Whether `name` was kept and not dropped; its arrays are not looked at."""
        return name in self._entries and self._file(name).is_file()

    def drop(self, name: str) -> None:
        """Free the space of `name`: its arrays are absent from now on, its facts stay."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def key(*parts: object) -> str:
    """A short name for what follows from these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def write(path: Path, content: bytes | str, mode: int = 0o666) -> None:
    """Write a whole file or none: under a temporary name, then renamed."""
    with replacing(path, mode) as temporary, temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """An empty file to write, which takes the place of `path` if nothing is raised."""
    temporary = path.with_name(f".{path.name}.tmp")
    with _storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.unlink(missing_ok=True)
            temporary.touch(mode, exist_ok=False)
            yield temporary
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def secret(path: Path) -> bytes:
    """The 32 random bytes in a file that nobody else may read; made on the first call."""
    if not path.exists():
        write(path, secrets.token_bytes(32), mode=0o600)
    with _storing(path):
        path.chmod(0o600)
        return path.read_bytes()


def append(path: Path, text: str) -> None:
    """Add to the end of a file; its folder is made if it is missing."""
    with _storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone; the kernel lets go of it if the process dies.

    Raises
    ------
    Busy
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Busy(f"{folder} is being written by another evaluation; wait for it") from None
    finally:
        os.close(descriptor)


def _read_manifest(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            known = {"sha256": entry["sha256"], "facts": dict(entry["facts"])}
            yield entry["name"], {"name": entry["name"]} | known
        except (ValueError, TypeError, KeyError):
            continue


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot store {path}: {error.strerror}. What was stored before is kept; "
            "fix this and run the same command again to continue from there."
        ) from error
