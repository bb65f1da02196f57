"""As many models at a time as memory holds, and a clear message if it does not hold one."""

import gc
import weakref

import pytest
import torch

from harness.competition import CompetitionError
from harness.device import as_many_as_fit, device, gpus, peak_mb, places

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
]


def room_for(models: int, error: Exception = OUT_OF_MEMORY[0]):
    """Work that runs out of memory as a GPU does, and tells what it was asked for."""

    def work(own):
        if len(own) > models:
            raise error
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


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error).split()[2])
def test_every_kind_of_shortage_is_known(error):
    assert as_many_as_fit(room_for(2, error), range(4)) == [[0, 1], [2, 3]]


def test_where_not_one_fits_the_host_is_told_what_to_do():
    with pytest.raises(CompetitionError, match=r"too small for one model.*training\.batch_size"):
        as_many_as_fit(room_for(0), range(4))


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("CUDA error: misaligned")])
def test_other_errors_are_not_taken_for_a_lack_of_memory(error):
    with pytest.raises(type(error)):
        as_many_as_fit(room_for(0, error), range(4))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_shared():
    assert device().type == "cpu"
    assert places(1 << 30) == gpus() == []
    assert peak_mb(lambda: pytest.fail("it would cost time, and tell nothing")) == 0


@pytest.fixture
def two_gpus(monkeypatch):
    """What torch says on a machine with two, of which the second is partly taken."""
    free = [10_000, 6_000]
    monkeypatch.setattr("harness.device.device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (free[number] << 20, 80 << 30))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return free


def test_runs_spread_over_all_gpus_as_far_as_their_memory_goes(two_gpus, monkeypatch):
    # 1,400 for a run and 600 for CUDA: five fit and three; with 2,500 kept back, three and three.
    assert places(1400) == ["0", "1", "0", "1", "0", "1", "0", "0"]
    assert places(1400, reserve_mb=2500) == ["0", "1", "0", "1", "0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5f,7")
    assert places(5000) == ["3", "GPU-5f"]
    two_gpus[1] = 5599
    assert places(5000) == ["3"]
    with pytest.raises(CompetitionError, match="has 10000 MiB free.*9401 and 600.*gpu_memory_mb"):
        places(9401)


def test_what_this_process_keeps_is_given_back_before_memory_is_shared_out(two_gpus, monkeypatch):
    class Model:
        pass

    kept = Model()
    kept.itself = kept  # type: ignore[attr-defined]  # freed by the collector alone
    alive, emptied = weakref.ref(kept), []
    gc.disable()
    del kept
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(alive()))
    two_gpus[:] = [0, 0]
    with pytest.raises(CompetitionError):
        places(1400)
    gc.enable()
    assert emptied == [None]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_shared_by_as_many_as_its_memory_holds():
    assert len(places(1024)) >= len(places(2048)) >= 1
    assert peak_mb(lambda: torch.zeros(64 << 20, device="cuda")) >= 256
    with pytest.raises(CompetitionError, match="gpu_memory_mb"):
        places(1 << 30)
