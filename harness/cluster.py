"""A dask.distributed cluster as joblib's backend; its workers hold what many tasks share.

They hold it as plugins. dask sends these to workers that join later, too, and does not lose them
with the one worker that has the last copy, as it does scattered data.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from distributed import Client, Worker, WorkerPlugin, get_worker
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker
from joblib import Parallel, delayed
from joblib._dask import DaskDistributedBackend

from harness.competition import CompetitionError

PATIENCE = 10  # seconds for a scheduler to answer, and for a first worker to be there
Call = tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]  # as joblib's `delayed` makes it

_joined: dict[str, _Backend] = {}  # by address
_held: dict[str, object] = {}  # on a worker
_sent: dict[int, _Held] = {}  # on the host, by the identity of what was sent


@dataclass(frozen=True)
class _Held:
    """Stands for an object that every worker holds."""

    name: str


class _Backend(DaskDistributedBackend):
    """joblib's own backend, mended in two places.

    With one job at a time joblib works in this process; this one uses the cluster. When dask gives
    up a task, joblib's backend does not say so and joblib waits for ever; this one raises.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        return max(2, super().effective_n_jobs(n_jobs))

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Future:
        def tell(done: Future) -> None:
            if (error := done.exception()) is not None:
                callback(error)

        future = super().submit(func, callback)
        future.add_done_callback(tell)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, BaseException):  # what a task returned is a list
            raise out
        return super().retrieve_result_callback(out)


class _Hold(WorkerPlugin):
    def __init__(self, objects: dict[str, object]) -> None:
        self.objects = objects

    def setup(self, worker: Worker) -> None:
        _held.update(self.objects)

    def teardown(self, worker: Worker) -> None:
        for name, value in self.objects.items():
            _held.pop(name, None)
            if isinstance(value, contextlib.AbstractContextManager):
                value.__exit__(None, None, None)


@contextlib.contextmanager
def joined(address: str, shared: Sequence[object]) -> Iterator[None]:
    """In this context the workers hold what is shared and can be given calls."""
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
            client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise CompetitionError(
                f"no cluster at {address}: start `dask scheduler`, and at least one "
                f"`dask worker {address}` ({error})"
            ) from None
        _joined[address] = _Backend(client=client)
        stack.callback(_joined.pop, address)
        try:
            with _holding(client, shared):
                yield
        except (KilledWorker, CancelledError, CommClosedError) as error:
            raise CompetitionError(
                f"the cluster at {address} failed; what was finished is kept, and the same command "
                f"continues from there ({error})"
            ) from error


@contextlib.contextmanager
def heard(address: str, hear: Callable[[float], None] | None) -> Iterator[_Sent | None]:
    """In this context a thread of its own calls `hear` with what the workers send by this."""
    if hear is None:
        yield None
        return
    topic = f"harness-{uuid.uuid4().hex}"
    client = _joined[address].client
    client.subscribe_topic(topic, lambda event: hear(event[1]))
    try:
        yield _Sent(topic)
    finally:
        with contextlib.suppress(OSError):  # the scheduler is gone
            client.unsubscribe_topic(topic)


@dataclass(frozen=True)
class _Sent:
    """Sends a number from a worker through the scheduler."""

    topic: str

    def __call__(self, amount: float) -> None:
        get_worker().log_event(self.topic, amount)


@contextlib.contextmanager
def _holding(client: Client, shared: Sequence[object]) -> Iterator[None]:
    names = {id(value): _Held(uuid.uuid4().hex) for value in shared}
    plugin = _Hold({names[id(value)].name: value for value in shared})
    name = f"harness-{uuid.uuid4().hex}"
    client.register_plugin(plugin, name=name)
    _sent.update(names)
    try:
        yield
    finally:
        for key in names:
            del _sent[key]
        with contextlib.suppress(OSError):  # the scheduler is gone, and they with it
            client.unregister_worker_plugin(name)


def threads(address: str) -> int:
    """How many tasks the workers of a joined cluster do at a time."""
    return sum(_joined[address].client.nthreads().values())


def results(address: str, calls: Iterable[Call]) -> Generator[Any]:
    """The calls' results from a joined cluster, in order, as they are ready."""
    # One at a time: joblib would send quick calls together, and lose them together.
    parallel = Parallel(backend=_joined[address], return_as="generator", batch_size=1)
    return parallel(map(_light, calls))


def _light(call: Call) -> Call:
    """The call without what the workers hold."""
    function, values, named = call
    return delayed(_call)(
        function,
        [_sent.get(id(value), value) for value in values],
        {key: _sent.get(id(value), value) for key, value in named.items()},
    )


def _call(function: Callable[..., Any], values: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """On a worker: the call with what it holds."""
    return function(*map(_here, values), **{key: _here(value) for key, value in named.items()})


def _here(value: Any) -> Any:
    return _held[value.name] if isinstance(value, _Held) else value
