"""Batches serve both kinds of known submissions: those that unpack and those that index."""

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler, Subset, default_collate
from torch.utils.data._utils.pin_memory import pin_memory

from harness.batches import Example, Split, loader


@pytest.fixture
def split() -> Split:
    count = 20
    return Split(
        {
            "image": torch.randn(count, 1, 4, 4),
            "label": torch.arange(count) % 3,
            "image_id": torch.arange(count) + 100,
            "person_id": torch.arange(count) // 4,
        }
    )


def check(batch: Example, size: int) -> None:
    inputs, targets = batch
    assert len(batch) == 2
    assert inputs.shape == (size, 1, 4, 4)
    assert torch.equal(batch["image"], inputs)
    assert torch.equal(batch["age_group"], targets)
    assert torch.equal(batch[1], targets)
    assert torch.equal(batch["image_id"] % 3, (targets + 1) % 3)
    assert batch["person_id"].shape == (size,)
    assert "person_id" in batch
    assert "age" not in batch
    assert set(batch.keys()) == {"image", "age_group", "image_id", "person_id"}


def test_a_loader_yields_tuples_that_answer_by_name(split):
    for batch in loader(split, 5, shuffle=True):
        check(batch, 5)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_dataset_can_be_wrapped_again(split, workers):
    wrapped = DataLoader(Subset(split, range(12)), batch_size=6, num_workers=workers)
    for batch in wrapped:
        check(batch, 6)
    sampler = RandomSampler(split, replacement=True, num_samples=8)
    for batch in DataLoader(split, batch_size=4, sampler=sampler):
        check(batch, 4)


class Noisy(Dataset):
    """A participant's: changes the image of a dictionary that it got."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Example:
        example = self.dataset[index].copy() if index % 2 else self.dataset[index]
        example["image"] = example["image"] + 100
        return example


def test_an_image_can_be_replaced_as_in_a_dictionary(split):
    (batch,) = DataLoader(Noisy(split), batch_size=20)
    for image in (batch["image"], batch[0], next(iter(batch)), batch.get("image")):
        assert (image > 50).all()
    check(batch, 20)
    assert len(batch.values()) == len(batch.items()) == 4
    assert batch.get("age") is None
    inputs, _ = split[0]
    assert (inputs < 50).all()  # the data itself has not changed


def test_shuffling_follows_the_global_seed(split):
    def order(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return torch.cat([b["image_id"] for b in loader(split, 7, shuffle=True)]).tolist()

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == list(range(100, 120))


def test_an_example_survives_pickling(split):
    example = pickle.loads(pickle.dumps(split[3]))
    assert isinstance(example, Example)
    assert example["image_id"] == 103


class Column:
    """Stands in for a tensor: where there is no GPU none can be pinned."""

    def pin_memory(self) -> str:
        return "pinned"


def test_a_pinned_batch_still_answers_by_name():
    pinned = pin_memory(Example({"image": Column(), "age_group": Column(), "image_id": Column()}))
    assert isinstance(pinned, Example)
    assert tuple(pinned) == ("pinned", "pinned")
    assert pinned["image_id"] == "pinned"


def test_a_batch_is_what_the_default_collate_makes_of_its_examples(split):
    (batch,) = DataLoader(Subset(split, [4, 1, 7]), batch_size=3)
    expected = default_collate([split[4], split[1], split[7]])
    assert type(batch) is type(expected) is Example
    assert batch.keys() == expected.keys()
    for name, column in batch.items():
        assert torch.equal(column, expected[name])
        assert column.is_contiguous()
    batch["image"].zero_()  # in place, as augmentations do
    assert split[4][0].any()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_collate_of_ones_own_gets_the_examples(split, workers):
    batches = DataLoader(split, batch_size=4, collate_fn=tuple, num_workers=workers)
    for number, batch in enumerate(batches):
        assert [int(example["image_id"]) for example in batch] == [
            100 + 4 * number + i for i in range(4)
        ]
    raw = DataLoader(split, batch_size=4, collate_fn=lambda rows: rows, num_workers=workers)
    for rows in raw:
        images, labels = zip(*rows[1:], strict=True)
        assert len(images) == len(labels) == 3
        assert torch.equal(torch.stack(images), torch.stack([row[0] for row in rows])[1:])
