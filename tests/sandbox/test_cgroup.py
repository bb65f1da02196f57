"""Control groups, where they can be had: the kernel ends what takes too much, unasked."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.sandbox.host import Server, Zygote, cgroup
from harness.sandbox.host.cgroup import Group
from harness.submission import Verdict
from tests.sandbox.small import LIMITS, several

CASES = {
    "a burst of memory": """
        import mmap
        def unlearning(net, retain, forget, val):
            populate = 0x8000  # MAP_POPULATE: the kernel fills it within this one call
            mmap.mmap(-1, 3 << 30, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | populate)
        """,
    "its own group": """
        def unlearning(net, retain, forget, val):
            for line in open("/proc/self/cgroup").read().split():
                if line.startswith("0:") or ":memory:" in line or ":pids:" in line:
                    print(line.rpartition(":")[2])
        """,
}


@pytest.fixture
def group() -> Iterator[Group]:
    made = cgroup.make()
    if made is None:
        pytest.skip("no control group (with memory and pids) can be had here")
    yield made
    cgroup.remove(made)


def test_a_group_of_an_evaluator_that_is_gone_is_removed_by_the_next(group: Group) -> None:
    stale = [folder.with_name(f"unlearning-{10**9}-gone") for folder in group.folders]
    for folder in stale:
        (folder / "zygote").mkdir(parents=True)
    other = cgroup.make()
    assert other
    assert not any(folder.exists() for folder in stale)
    assert all(folder.exists() for folder in group.folders)
    cgroup.remove(other)
    assert not any(folder.exists() for folder in other.folders)


def groups() -> set[Path]:
    """Those of this process: the fixture's, and those of zygotes that other tests share."""
    return set(Path("/sys/fs/cgroup").rglob(f"unlearning-{os.getpid()}-*"))


@pytest.mark.usefixtures("group")
def test_the_kernel_ends_a_run_before_it_has_taken_more_than_its_limit(inputs: Path) -> None:
    submission, seeds = several(CASES)
    before = groups()
    with Zygote(inputs) as zygote, Server(submission, zygote, LIMITS) as server:
        assert server.memory == "capped"
        with pytest.raises(Verdict, match="out of memory") as caught:
            server.run(seeds["a burst of memory"])
        if server.level == "full":
            seen = server.run(seeds["its own group"]).output.split()
            assert set(seen) == {"/"}
        own = groups() - before
        assert own
        assert not [run for group in own for run in group.glob("run-*")]
    assert groups() == before
    peak = re.search(r"the peak seen (\d+) MiB", caught.value.message)
    assert peak
    # The watchdog's figure counts what it shares with the zygote too.
    assert 0 < int(peak[1]) <= LIMITS.memory_mb + 2 * LIMITS.scratch_mb + 300


def test_without_a_group_memory_is_watched(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "make", lambda: None)
    submission, seeds = several(CASES)
    with Zygote(inputs) as zygote, Server(submission, zygote, replace(LIMITS, seconds=1)) as server:
        assert server.memory == "watched"
        assert server.run(seeds["its own group"])
