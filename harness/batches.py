"""The batches of a participant's loaders: `inputs, targets` that also answer by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils.collate import default_collate_fn_map


class Example(tuple):
    """`(image, label)` that also answers `["image"]`, `["age_group"]`, `["image_id"]`, ...

    It is a tuple of two, because half of the known submissions unpack their batches. It is a
    mapping too, because the other half was written for the challenge's dictionaries. The default
    collate turns examples into one of these for the whole batch.
    """

    columns: dict[str, Any]

    def __new__(cls, columns: Mapping[str, Any]) -> Example:
        self = super().__new__(cls, (columns["image"], columns["age_group"]))
        self.columns = dict(columns)
        return self

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return tuple(self)[key]
        if key not in self.columns:
            raise KeyError(f"{key}: this competition's data has {', '.join(sorted(self.columns))}")
        return self.columns[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.columns[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter((self.columns["image"], self.columns["age_group"]))

    def __contains__(self, key: object) -> bool:
        return key in self.columns if isinstance(key, str) else super().__contains__(key)

    def __reduce__(self) -> tuple:
        return Example, (self.columns,)

    def keys(self) -> Any:
        """Names of the columns, as a dictionary has them."""
        return self.columns.keys()

    def items(self) -> Any:
        """Pairs of name and column, as a dictionary has them."""
        return self.columns.items()

    def values(self) -> Any:
        """The columns, as a dictionary has them."""
        return self.columns.values()

    def get(self, key: str, default: Any = None) -> Any:
        """The column of this name, or `default`."""
        return self.columns.get(key, default)

    def copy(self) -> Example:
        """Another example with the same columns."""
        return Example(self.columns)

    def pin_memory(self) -> Example:
        """The same in pinned memory, for a GPU; a loader with `pin_memory` calls this."""
        return Example({name: column.pin_memory() for name, column in self.columns.items()})


def _collate(examples: Sequence[Example], *, collate_fn_map: Any = None) -> Example:
    if isinstance(examples, _Rows):
        return examples.batch()
    return Example(
        {
            name: torch.stack([example.columns[name] for example in examples])
            for name in examples[0].columns
        }
    )


default_collate_fn_map[Example] = _collate


class Split(Dataset):
    """A map-style dataset of `Example`, held in memory.

    Parameters
    ----------
    columns : mapping of str to Tensor
        `image` [n, channels, height, width] float32, `label` [n] int64, `image_id` [n] int64,
        and whatever else the data has (`person_id`, `age`), one row per example.
    """

    def __init__(self, columns: Mapping[str, Tensor]) -> None:
        self.columns = {
            ("age_group" if name == "label" else name): column for name, column in columns.items()
        }

    def __len__(self) -> int:
        return len(self.columns["image"])

    def __getitem__(self, index: int) -> Example:
        return Example({name: column[index] for name, column in self.columns.items()})

    def __getitems__(self, indices: Sequence[int]) -> _Rows:
        """A list of examples; `DataLoader` and `Subset` call this."""
        return _Rows(self, indices)


class _Rows(Sequence[Example]):
    """Examples of a split, made when they are looked at; a batch takes one indexing."""

    def __init__(self, split: Split, indices: Sequence[int]) -> None:
        self._split = split
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return _Rows(self._split, self._indices[place])
        return self._split[self._indices[place]]

    def __reduce__(self) -> tuple:
        return list, (list(self),)  # without the rest of the split

    def batch(self) -> Example:
        """All of them, as the default collate makes one of a list."""
        rows = torch.as_tensor(self._indices)
        return Example({name: column[rows] for name, column in self._split.columns.items()})


def read_split(path: Path) -> Split:
    """The split stored in a safetensors file."""
    return Split(load_file(path))


def loader(split: Split, batch_size: int, shuffle: bool, *, pin_memory: bool = False) -> DataLoader:
    """A true `DataLoader`, made as the challenge made its own; `pin_memory` is for GPUs."""
    return DataLoader(split, batch_size=batch_size, shuffle=shuffle, pin_memory=pin_memory)
