"""What is stored is whole or absent, whatever happens to the disk or the process."""

import errno
import hashlib
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from harness.store import Busy, Store, StoreError, append, lock, secret, write


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "kept")
    store.put("a", {"x": np.arange(6.0).reshape(2, 3)}, seconds=1.5)
    store.put("b", {"x": np.ones(1000)})
    return store


def again(store: Store) -> Store:
    return Store(store.folder)


def test_another_process_reads_what_was_put(store):
    assert np.array_equal(again(store).get("a")["x"], np.arange(6.0).reshape(2, 3))
    assert again(store).facts("a") == {"seconds": 1.5}
    assert store.get("c") is None


@pytest.mark.parametrize("array", [np.array(3), np.zeros((0, 2)), np.arange(12).reshape(3, 4).T])
def test_shapes_and_types_are_kept(store, array):
    store.put("shape", {"x": array})
    kept = again(store).get("shape")["x"]
    assert kept.shape == array.shape
    assert kept.dtype == array.dtype
    assert np.array_equal(kept, array)


def test_what_was_never_kept_has_no_facts_and_no_checksum(store):
    assert store.facts("c") == {}
    assert store.checksum("c") == ""
    content = (store.folder / "a.safetensors").read_bytes()
    assert store.checksum("a") == hashlib.sha256(content).hexdigest()


def test_folders_are_made_as_deep_as_they_lie(tmp_path):
    Store(tmp_path / "a/b/c").put("one", {"x": np.ones(1)})
    write(tmp_path / "d/e/f", "text")
    append(tmp_path / "g/h/i", "text")
    with lock(tmp_path / "j/k/l"):
        pass
    assert (tmp_path / "d/e/f").read_text() == (tmp_path / "g/h/i").read_text() == "text"
    assert sorted(path.name for path in (tmp_path / "a/b/c").iterdir()) == [
        "manifest.jsonl",
        "one.safetensors",
    ]


def test_the_latest_put_counts(store):
    store.put("a", {"x": np.zeros(1)}, seconds=2)
    assert again(store).get("a")["x"].shape == (1,)
    assert again(store).facts("a") == {"seconds": 2}


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove"])
def test_a_damaged_entry_is_absent_and_can_be_made_again(store, harm):
    path = store.folder / "b.safetensors"
    content = bytearray(path.read_bytes())
    if harm == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "flip":
        content[-3] ^= 4
        path.write_bytes(content)
    else:
        path.unlink()
    assert again(store).get("b") is None
    assert again(store).get("a") is not None
    store.put("b", {"x": np.ones(1000)})
    assert again(store).get("b") is not None


@pytest.mark.parametrize(
    "tail", [b'{"name": "c", "sha', b"\0\0\0", b"[1]", b'{"name": "c"}', b"\xff"]
)
def test_a_line_cut_short_costs_no_other_entry(store, tail):
    with (store.folder / "manifest.jsonl").open("ab") as manifest:
        manifest.write(b"\n" + tail)
    resumed = again(store)
    assert resumed.get("a") is not None
    assert resumed.get("c") is None
    resumed.put("d", {"x": np.ones(2)})
    assert again(resumed).get("d") is not None


def test_a_full_disk_is_the_hosts_and_costs_nothing_stored(store, full_disk):
    full = Store(full_disk)
    full.put("first", {"x": np.ones(1000)})
    with pytest.raises(StoreError, match="No space left"):
        full.put("second", {"x": np.ones(1_000_000)})
    assert again(full).get("first") is not None
    assert again(full).get("second") is None
    assert not list(full_disk.glob(".*.tmp"))


def _put_until_killed(folder):
    store = Store(folder)
    for i in range(100_000):
        store.put(f"entry-{i}", {"x": np.full(100_000, i)}, number=i)


def test_a_kill_at_any_moment_leaves_no_line_without_its_file(tmp_path):
    context = multiprocessing.get_context("fork")
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        process = context.Process(target=_put_until_killed, args=(folder,))
        process.start()
        while not (folder / "entry-2.safetensors").exists():
            assert process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        resumed = Store(folder)
        numbers = [entry["facts"]["number"] for entry, _ in resumed.contents()]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= 2
        for number in numbers:
            assert resumed.get(f"entry-{number}")["x"].tolist() == [number] * 100_000


def test_the_line_of_an_entry_is_written_after_its_file(store):
    (store.folder / ".c.safetensors.tmp").mkdir()  # so that this file cannot be written
    (store.folder / ".a.safetensors.tmp").mkdir()
    for name in ("c", "a"):
        with pytest.raises(StoreError):
            store.put(name, {"x": np.zeros(3)}, seconds=2.5)
    for kept in (store, again(store)):
        assert not kept.checksum("c")
        assert kept.facts("a") == {"seconds": 1.5}
        assert np.array_equal(kept.get("a")["x"], np.arange(6.0).reshape(2, 3))


def test_threads_that_put_the_same_entry_do_not_meet(tmp_path):
    store = Store(tmp_path)

    def put(number):
        for i in range(20):
            store.put("one", {"x": np.full(5000, 100 * number + i)}, number=number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(8)))
    for kept in (store, again(store)):
        assert kept.get("one")["x"][0] // 100 == kept.facts("one")["number"]


def test_who_reads_a_file_while_it_is_written_has_the_old_one_whole(tmp_path):
    path = tmp_path / "row.json"
    write(path, "old")
    with path.open() as reader:
        write(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "row.json"
    write(path, "old")
    blocked = tmp_path / ".row.json.tmp"
    blocked.mkdir()
    with pytest.raises(StoreError, match=f"cannot store {path}: {os.strerror(errno.EISDIR)}. What"):
        write(path, "new")
    assert path.read_text() == "old"
    for change in (secret, lambda path: append(path, "x")):
        with pytest.raises(StoreError, match=f"cannot store {blocked}: "):
            change(blocked)


def _hold(folder, ready, done):
    with lock(folder):
        ready.set()
        done.wait(10)


def test_a_second_process_is_told_that_the_folder_is_busy(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, done))
    holder.start()
    assert ready.wait(10)
    with pytest.raises(Busy, match="another evaluation"), lock(tmp_path):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with lock(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_store_adopts_what_another_holds_and_what_it_has_dropped(tmp_path):
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    one.put("kept", {"a": np.arange(3)}, seconds=1.5)
    one.put("dropped", {"a": np.arange(4)})
    for _ in range(2):
        one.drop("dropped")
    other.adopt(Store(one.folder).contents())
    for store in (other, Store(other.folder)):
        assert np.array_equal(store.get("kept")["a"], np.arange(3))
        assert store.facts("kept") == {"seconds": 1.5}
        assert store.holds("kept")
        assert not store.holds("dropped")
        assert store.get("dropped") is None
        assert store.checksum("dropped") == one.checksum("dropped")


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "results/secret"
    first = secret(path)
    assert len(first) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)  # as a copy may have it
    assert secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret(tmp_path / "other/secret") != first


def test_a_file_is_private_from_its_first_byte(tmp_path):
    before = os.umask(0o022)
    try:
        write(tmp_path / "private", b"x", mode=0o600)
        write(tmp_path / "public", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644
