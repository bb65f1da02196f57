"""A run that is short of the GPU's memory is told so, and goes again if others had taken it."""

import json
from pathlib import Path

import pytest
import torch

from harness.sandbox.guest.errors import describe
from harness.sandbox.host import Server, Zygote
from harness.sandbox.host.ends import Unexplained, reported
from harness.submission import Verdict
from tests.sandbox.small import LIMITS, unread

SHORT = """
import torch
def unlearning(net, retain, forget, val):
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
"""
MIB = 1 << 20


def test_the_verdict_names_the_gpus_limit_and_not_the_hosts(inputs: Path, zygote: Zygote) -> None:
    with Server(unread(SHORT), zygote, LIMITS) as server, pytest.raises(Verdict) as caught:
        server.run(1)
    assert caught.value.status == "out_of_memory"
    said = caught.value.message
    assert said.startswith(
        "out of memory (a run may have 4096 MiB of the GPU's): the GPU refused an allocation.\n"
    )
    assert "CUBLAS_STATUS_ALLOC_FAILED" in said


@pytest.mark.parametrize(("free", "others"), [(1000, False), (999, True)])
def test_what_others_have_taken_is_not_held_against_a_run(monkeypatch, free, others) -> None:
    """Its share is 4000 MiB; it has 3000."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free * MIB, 80_000 * MIB))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda: 0.05)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 3000 * MIB)
    status, message = describe(torch.OutOfMemoryError("CUDA out of memory."), "mine.py")
    verdict = reported(json.dumps({"status": status, "message": message}).encode())
    assert verdict.status == "out_of_memory"
    assert isinstance(verdict, Unexplained) == others


def test_a_gpu_that_was_chosen_away_is_none() -> None:
    _, message = describe(RuntimeError("No CUDA GPUs are available"), "mine.py")
    assert message.endswith(
        "There is no GPU here: write `.to(next(net.parameters()).device)` instead of `.cuda()` or "
        "`.to('cuda')`, and it runs with one and without."
    )
