"""The host's side of a submission's server: asks for runs and judges what comes back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.competition import Limits
from harness.sandbox.host import weights
from harness.sandbox.host.ends import NeverRan, Unexplained, check_end, reported
from harness.sandbox.host.errors import SandboxError
from harness.sandbox.host.process import PATIENCE
from harness.sandbox.host.streams import Stream, drain
from harness.sandbox.host.zygote import Zygote
from harness.sandbox.walls import policy
from harness.submission import FUNCTIONS, Submission, Verdict
from harness.text import clean

_STATUS_BYTES = 1 << 16
_GRACE = 120.0  # seconds that a busy machine may add to a run's limit


@dataclass(frozen=True)
class RunResult:
    """One successful run.

    Attributes
    ----------
    weights : dict of str to ndarray
        The changed model's state dict: names, dtypes and shapes of the original, all finite.
        Of `identify`, its `scores` alone: one float64 for each training example, all finite.
    output : str
        What it printed, as far as `Limits.output_kb` keeps it.
    seconds : float
        Wall time, from when the child was ready to load the submission.
    peak_memory_mb : float
        The most memory seen, over all its processes, in MiB.
    memory : str
        "capped" if the kernel held it to its memory, "watched" if only a watchdog did.
    device : str
        Where it found its model: "cpu" or "cuda".
    """

    weights: dict[str, np.ndarray]
    output: str
    seconds: float
    peak_memory_mb: float
    memory: str
    device: str


class Server:
    """What runs one submission again and again, each time in a fresh fork of a warm process.

    No run knows of the others. `run` may be called from several threads at once.

    Parameters
    ----------
    submission : Submission
        What to run; only its `source` matters, not the file.
    zygote : Zygote
        What to fork from.
    limits : Limits
        What a run may use.
    inputs : Path, optional
        A folder with this submission's own `policy.OWN_INPUTS`; the zygote's if None.
    device : {"cpu", "cuda"}
        Where a run finds its model. If that cannot be had, it is the host's fault.
    gpu : str
        Which one, as CUDA_VISIBLE_DEVICES names it; the host's first if empty.

    Attributes
    ----------
    level : str
        "full", "partial" or "none".
    missing : str
        Why it is not full and how to get it, in one line; empty when it is full.
    memory : str
        "capped" if the kernel holds each run to its memory, "watched" if only a watchdog does.

    Raises
    ------
    SandboxError
        If the level is lower than required, or the zygote does not start.
    """

    def __init__(
        self,
        submission: Submission,
        zygote: Zygote,
        limits: Limits,
        *,
        inputs: Path | None = None,
        device: str = "cpu",
        gpu: str = "",
    ) -> None:
        self.level, self.missing = zygote.isolation.level, zygote.isolation.missing
        self._zygote = zygote
        self._limits = limits
        self._device = device
        folder = inputs or zygote.inputs
        self._wanted = weights.expected(folder / "original.safetensors")
        self._function = submission.function
        if self._function == "identify":
            self._examples = weights.expected(folder / "retain.safetensors")["label"].shape[0]
        self._scratch = ""
        self._complaints = os.fdopen(os.memfd_create("complaints"), "rb")
        setup = {
            "limits": asdict(limits),
            "device": device,
            "gpu": gpu,
            "name": submission.name,
            "source": submission.source.decode("utf-8"),
            "imports": submission.imports,
            "function": submission.function,
            "parameters": FUNCTIONS[submission.function],
        }
        with contextlib.ExitStack() as stack:
            paths = [inputs / name for name in policy.OWN_INPUTS] if inputs else []
            own = [stack.enter_context(path.open("rb")).fileno() for path in paths]
            self._control = zygote.serve(setup, self._complaints.fileno(), own)
        try:
            hello = self._control.recv(4096)
            if not hello:
                raise SandboxError(f"the sandbox did not start: {self._why()}")
            said = json.loads(hello)
            self._scratch, self.memory = said["scratch"], said["memory"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, seed: int) -> RunResult:
        """Run the submission once.

        Parameters
        ----------
        seed : int
            Of torch, numpy and random, set when the file has been executed.

        Raises
        ------
        Verdict
            If the submission is at fault.
        SandboxError
            If the host is.
        """
        with contextlib.suppress(Unexplained, NeverRan):
            return self._run(seed)
        # Anyone may have killed it, the kernel for want of memory too: once is bad luck.
        try:
            return self._run(seed)
        except Unexplained as twice:
            raise twice.verdict from None

    def _run(self, seed: int) -> RunResult:
        with contextlib.ExitStack() as stack:
            ends = [os.pipe() for _ in range(3)]
            for pair in ends:
                stack.callback(os.close, pair[0])
            try:
                socket.send_fds(self._control, [str(seed).encode()], [end for _, end in ends])
            except OSError as error:
                raise SandboxError(f"the sandbox is gone ({error}): {self._why()}") from None
            finally:
                for _, end in ends:
                    os.close(end)
            result, output, status = (
                Stream(pair[0], keep)
                for pair, keep in zip(
                    ends,
                    (
                        1 + weights.largest(self._wanted),
                        self._limits.output_kb << 10,
                        _STATUS_BYTES,
                    ),
                    strict=True,
                )
            )
            drain([result, output], status, self._limits.seconds + _GRACE)
            return self._judge(memoryview(result.data), output, bytes(status.data))

    def close(self) -> None:
        """End the submission's server and everything that it started."""
        # Not only close(): a process forked from this one may hold the socket too.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        if not self._ended():
            self._zygote.kill()
        self._control.close()
        self._complaints.close()
        if self._scratch:  # the guest removes it, unless it was killed
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _ended(self) -> bool:
        """Whether the server lets go of its end, which it does last of all."""
        with contextlib.suppress(OSError):
            self._control.settimeout(PATIENCE)
            while self._control.recv(4096):
                pass
            return True
        return False

    def _judge(self, result: memoryview, output: Stream, status: bytes) -> RunResult:
        """What came of a run, from the trusted `status` and the untrusted rest."""
        printed = clean(output.text())
        if not status:
            raise SandboxError(f"the sandbox died during a run: {self._why()}")
        report = json.loads(status)
        if report["fault"]:
            kind = NeverRan if report["exit"] == -signal.SIGKILL else SandboxError
            raise kind(f"a run could not start: {report['fault']}")
        peak = report["peak_memory_mb"]
        try:
            check_end(report, self._limits.seconds)
            weights_ = self._read(result)
            spent = report["seconds"], peak
            return RunResult(weights_, printed, *spent, self.memory, self._device)
        except Verdict as verdict:
            message = verdict.message
            if verdict.status == "out_of_memory":
                limit = f"the limit is {self._limits.memory_mb} MiB, the peak seen {peak:.0f} MiB"
                if message.startswith(policy.GPU_REFUSED):
                    limit = f"a run may have {self._limits.gpu_memory_mb} MiB of the GPU's"
                message = f"out of memory ({limit}): {message}"
            raise type(verdict)(verdict.status, message, printed) from None

    def _read(self, result: memoryview) -> dict[str, np.ndarray]:
        kind, content = bytes(result[:1]), result[1:]  # which copies nothing: it may be large
        expected = b"S" if self._function == "identify" else b"W"
        if kind == expected:
            try:
                if kind == b"S":
                    return {"scores": weights.parse_scores(content, self._examples)}
                return weights.parse(content, self._wanted)
            except weights.Malformed as error:
                raise Verdict("sandbox_violation", f"a forged result: {error}") from None
        if kind == b"E":
            raise reported(content)
        if not kind:
            raise Verdict(
                "crashed", f"its process ended itself before `{self._function}` returned."
            )
        raise Verdict("sandbox_violation", "a forged result: it is neither a result nor an error")

    def _why(self) -> str:
        """What the server complained of last, or what it was forked from."""
        self._ended()
        try:
            self._complaints.seek(0)
            text = self._complaints.read().decode(errors="replace")
        except ValueError:  # closed, perhaps by another thread just now
            return "it was closed"
        return clean(text[-4000:]).strip() or self._zygote.why()
