"""A run is a world of its own: seeded by us, fed as the challenge fed, remembered by none."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from harness.sandbox.host import RunResult, Server, Zygote
from tests.sandbox.small import FORGET, LIMITS, RETAIN, VALIDATION, several, unread

CASES = {
    "noise": """
        import random, numpy, torch
        def unlearning(net, retain, forget, val):
            net.fc.bias.data[0] = torch.rand(())
            net.fc.bias.data[1] = numpy.random.rand()
            net.fc.bias.data[2] = random.random()
        """,
    "finetune": """
        import torch
        def unlearning(net, retain, forget, val):
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for inputs, targets in retain:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(net(inputs), targets).backward()
                optimizer.step()
        """,
    "untouched": "def unlearning(net, retain, forget, val): pass",
    "a copy in half precision, frozen, in evaluation mode": """
        import copy, torch
        def unlearning(net, retain, forget, val):
            other = copy.deepcopy(net).eval().half()
            other.requires_grad_(False)
            other.fc.weight = torch.nn.Parameter(torch.ones_like(other.fc.weight))
            return other
        """,
    "leaves traces": """
        import builtins, os, sys, torch
        def unlearning(net, retain, forget, val):
            places = ["trace", "/tmp/trace", "/dev/shm/trace"]
            seen = [place for place in places if os.path.exists(place)]
            seen += ["environment"] * ("TRACE" in os.environ) + ["module"] * ("left" in sys.modules)
            seen += ["builtins"] * hasattr(builtins, "trace") + ["net"] * hasattr(net, "trace")
            seen += ["data"] * bool((retain.dataset.columns["image"] == -1).all())
            for place in places:
                open(place, "w").close()
            os.environ["TRACE"] = builtins.trace = net.trace = "here"
            sys.modules["left"] = sys
            os.register_at_fork(after_in_child=lambda: setattr(builtins, "trace", "hook"))
            retain.dataset.columns["image"].fill_(-1)
            print("seen", seen)
        """,
    "prints": """
        import sys
        from tqdm import tqdm
        def unlearning(net, retain, forget, val):
            print("to stdout"); print("to stderr", file=sys.stderr)
            for _ in tqdm(range(2), desc="progress"): pass
            print("\\x1b[2J\\x1b]0;title\\x07 \\u202egnp.exe")
        """,
    "prints a lot": """
        def unlearning(net, retain, forget, val):
            for _ in range(300):
                print("x" * 1023)
        """,
    "tuples": """
        def unlearning(net, retain, forget, val):
            from torch.utils.data import DataLoader
            assert all(type(loader) is DataLoader for loader in (retain, forget, val))
            for loader in (retain, forget, val):
                seen = 0
                for inputs, targets in loader:
                    assert inputs.shape[1:] == (1, 8, 8) and targets.shape == inputs.shape[:1]
                    seen += len(inputs)
                print(seen, len(loader), len(loader.dataset), loader.batch_size)
            print(next(iter(val))["image_id"].tolist() == list(range(112, 132)))
            print(next(iter(retain))["image_id"].tolist() == list(range(32)))
            for (x, y), batch in zip(retain, forget):
                x, y = batch
        """,
    "dictionaries": """
        def unlearning(net, retain, forget, val):
            for batch in retain:
                images, ages = batch["image"], batch["age_group"]
                assert images.shape[0] == ages.shape[0] == batch["image_id"].shape[0]
                assert (batch[0] == images).all() and "person_id" not in batch
            print(sorted(batch.keys()))
        """,
    "own loader": """
        import torch
        def unlearning(net, retain, forget, val):
            own = torch.utils.data.DataLoader(
                retain.dataset, batch_size=10, shuffle=True, num_workers=2, drop_last=True
            )
            batches = [inputs.clone() for inputs, targets in own]
            both = torch.utils.data.ConcatDataset([retain.dataset, forget.dataset])
            print(len(batches), batches[0].shape, len(both), retain.dataset[3]["image"].device)
        """,
    "relative files": """
        import os, tempfile
        def unlearning(net, retain, forget, val):
            os.makedirs("./output")
            open("output/log.txt", "w").write("x")
            with tempfile.NamedTemporaryFile() as file:
                file.write(b"x")
            print(os.path.exists("output/log.txt"), os.path.basename(__import__("sys").argv[0]))
        """,
    "all the processes it may have": """
        import os, time
        def unlearning(net, retain, forget, val):
            count = 1
            try:
                while os.fork():
                    count += 1
                time.sleep(10)
            except BlockingIOError:
                print(count)
                time.sleep(1)
        """,
    "counts": """
        import gc
        def unlearning(net, retain, forget, val):
            print(gc.get_count(), [generation["collections"] for generation in gc.get_stats()])
        """,
    "environment": """
        import os, torch
        def unlearning(net, retain, forget, val):
            print(torch.get_num_threads(), net.training, sorted(os.environ))
        """,
}


@pytest.fixture(scope="module")
def run(zygote: Zygote) -> Iterator[Callable[..., RunResult]]:
    """Run a case, with a seed of its own."""
    submission, cases = several(CASES)
    with Server(submission, zygote, LIMITS) as server:
        yield lambda case, seed=0: server.run(1000 * seed + cases[case])


def same(a: RunResult, b: RunResult) -> bool:
    return all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)


@pytest.mark.parametrize("case", ["noise", "finetune"])
def test_the_seed_alone_decides(run: Callable[..., RunResult], case: str) -> None:
    assert same(run(case, 1), run(case, 1))
    assert not same(run(case, 1), run(case, 2))


def test_every_generator_is_seeded_after_the_file_was_executed(
    run: Callable[..., RunResult],
) -> None:
    first, second = run("noise", 3).weights["fc.bias"], run("noise", 4).weights["fc.bias"]
    assert (first[:3] != second[:3]).all()


def test_what_comes_back_is_what_went_in(run: Callable[..., RunResult], inputs: Path) -> None:
    from safetensors.numpy import load_file

    original = load_file(inputs / "original.safetensors")
    weights = run("untouched").weights
    assert weights.keys() == original.keys()
    for name, values in original.items():
        assert weights[name].dtype == values.dtype
        assert np.array_equal(weights[name], values)


def test_a_returned_copy_counts_and_is_cast_back(run: Callable[..., RunResult]) -> None:
    weights = run("a copy in half precision, frozen, in evaluation mode").weights
    assert weights["fc.weight"].dtype == np.float32
    assert (weights["fc.weight"] == 1).all()


def test_nothing_is_left_for_the_next_run(run: Callable[..., RunResult]) -> None:
    assert run("leaves traces", 1).output == "seen []\n"
    assert run("leaves traces", 2).output == "seen []\n"


def test_runs_at_the_same_time_do_not_mix(run: Callable[..., RunResult]) -> None:
    cases = [("noise", seed) for seed in range(6)] + [("finetune", seed) for seed in range(6)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda case: run(*case), cases))
    assert all(same(result, run(*case)) for case, result in zip(cases, together, strict=True))


def test_runs_at_the_same_time_have_their_own_limit_of_processes(
    run: Callable[..., RunResult], zygote: Zygote
) -> None:
    if zygote.isolation.level != "full":
        pytest.skip("without a user namespace of its own, a run shares the limit of its user")
    with ThreadPoolExecutor(2) as pool:
        counts = [pool.submit(run, "all the processes it may have", seed) for seed in (1, 2)]
    assert [count.result().output for count in counts] == [f"{LIMITS.processes}\n"] * 2


def test_prints_are_kept_and_made_harmless(run: Callable[..., RunResult]) -> None:
    output = run("prints").output
    assert "to stdout\n" in output
    assert "to stderr\n" in output
    assert "progress: 100%" in output
    assert "\\x1b[2J\\x1b]0;title\\x07 \\u202egnp.exe" in output


def test_prints_are_kept_up_to_the_limit(run: Callable[..., RunResult]) -> None:
    kept, _, note = run("prints a lot").output.rpartition("x\n")
    assert len(kept) == pytest.approx(LIMITS.output_kb * 1024, abs=2)
    assert note == f"\n[{(300 - LIMITS.output_kb) * 1024:,} more bytes dropped]\n"


def test_loaders_yield_pairs(run: Callable[..., RunResult]) -> None:
    assert run("tuples").output.splitlines() == [
        f"{RETAIN} 3 {RETAIN} 32",
        f"{FORGET} 1 {FORGET} 32",
        f"{VALIDATION} 1 {VALIDATION} 32",
        "True",  # validation in its own order
        "False",  # retain shuffled
    ]


def test_batches_answer_by_name(run: Callable[..., RunResult]) -> None:
    assert run("dictionaries").output == "['age_group', 'image', 'image_id']\n"


def test_a_dataset_can_be_wrapped_again_with_workers(run: Callable[..., RunResult]) -> None:
    assert run("own loader").output == f"9 torch.Size([10, 1, 8, 8]) {RETAIN + FORGET} cpu\n"


def test_relative_and_temporary_files_can_be_written(run: Callable[..., RunResult]) -> None:
    assert run("relative files").output == "True mine.py\n"


def test_the_environment_is_ours(run: Callable[..., RunResult]) -> None:
    output = run("environment").output
    assert output.startswith("1 True ")
    assert "HOST_SECRET" not in output


def test_a_run_says_what_it_took(run: Callable[..., RunResult]) -> None:
    result = run("finetune")
    assert 0 < result.seconds < LIMITS.seconds
    assert 10 < result.peak_memory_mb < LIMITS.memory_mb


def test_the_collector_counts_alike_in_every_run(run: Callable[..., RunResult]) -> None:
    first = run("counts").output
    for seed in range(8):
        run("untouched", seed)
    assert run("counts").output == first


SEARCH = """
import torch
def unlearning(net, retain, forget, val):
    own, found = str(torch.initial_seed()).encode(), set()
    with open("/proc/self/mem", "rb", 0) as memory, open("/proc/self/maps") as maps:
        for line in maps:
            addresses, access, *_ = line.split()
            if access.startswith("rw"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                memory.seek(start)
                content = memory.read(end - start)
                place = content.find(b"424242")
                while place >= 0:
                    number = content[place : place + 18]
                    found |= {number} if number.isdigit() else set()
                    place = content.find(b"424242", place + 1)
    print(own in found, sorted(found - {own}))
"""


def test_a_run_inherits_no_seed_of_another(zygote: Zygote) -> None:
    """Seeds that can be told from all other numbers; each finds its own alone."""
    with Server(unread(SEARCH), zygote, LIMITS) as server:
        for number in (17, 290, 3100):
            assert server.run(int(f"424242{number:012d}")).output == "True []\n"
