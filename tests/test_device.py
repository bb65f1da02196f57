"""As many models at a time as memory holds, and a clear message if it does not hold one."""

import pytest
import torch

from harness.competition import CompetitionError
from harness.device import as_many_as_fit, device, sharing


def room_for(models: int):
    """Work that runs out of memory as a GPU does, and tells what it was asked for."""

    def work(own):
        if len(own) > models:
            raise torch.OutOfMemoryError(f"tried to hold {len(own)} models")
        return list(own)

    return work


@pytest.mark.parametrize(
    ("room", "groups"),
    [(9, [7]), (7, [7]), (4, [3, 4]), (3, [3, 2, 2]), (1, [1] * 7)],
)
def test_where_memory_ends_half_as_many_are_tried(room, groups):
    done = as_many_as_fit(room_for(room), range(7))
    assert [len(group) for group in done] == groups
    assert [model for group in done for model in group] == list(range(7))


def test_where_not_one_fits_the_host_is_told_what_to_do():
    with pytest.raises(CompetitionError, match=r"too small for one model.*training\.batch_size"):
        as_many_as_fit(room_for(0), range(4))


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(ZeroDivisionError):
        as_many_as_fit(lambda own: 1 / 0, range(4))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_shared():
    assert device().type == "cpu"
    assert sharing(1 << 30) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_shared_by_as_many_as_its_memory_holds():
    assert sharing(1024) >= sharing(2048) >= 1
    with pytest.raises(CompetitionError, match="gpu_memory_mb"):
        sharing(1 << 30)
