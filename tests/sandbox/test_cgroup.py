"""Control groups, where one can be had: the kernel ends what takes too much before anyone looks."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox.host import Server, Zygote, cgroup
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
            print([l for l in open("/proc/self/cgroup").read().split() if l.startswith("0:")])
        """,
}


@pytest.fixture
def group() -> Iterator[Path]:
    made = cgroup.make()
    if made is None:
        pytest.skip("no control group (v2, with memory and pids) can be had here")
    yield made
    cgroup.remove(made)


def test_a_group_of_an_evaluator_that_is_gone_is_removed_by_the_next(group: Path) -> None:
    stale = group.with_name(f"unlearning-{10**9}-gone")
    (stale / "parent").mkdir(parents=True)
    other = cgroup.make()
    assert other
    assert not stale.exists()
    assert group.exists()
    cgroup.remove(other)
    assert not other.exists()


@pytest.mark.usefixtures("group")
def test_the_kernel_ends_a_run_before_it_has_taken_more_than_its_limit(inputs: Path) -> None:
    submission, seeds = several(CASES)
    with Zygote(inputs) as zygote, Server(submission, zygote, LIMITS) as server:
        with pytest.raises(Verdict, match="out of memory") as caught:
            server.run(seeds["a burst of memory"])
        if server.level == "full":
            assert server.run(seeds["its own group"]).output == "['0::/']\n"
        groups = [*Path("/sys/fs/cgroup").rglob(f"unlearning-{os.getpid()}-*")]
        assert len(groups) == 2  # the fixture's and the zygote's
        assert not [run for group in groups for run in group.glob("run-*")]
    assert len([group for group in groups if group.exists()]) == 1
    peak = re.search(r"the peak seen (\d+) MiB", caught.value.message)
    assert peak
    assert 0 < int(peak[1]) <= LIMITS.memory_mb + 2 * LIMITS.scratch_mb
