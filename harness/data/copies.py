"""Finds equal images, which two splits must not share, and what else stays together with them."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from harness.data.columns import Columns


def copies(images: np.ndarray) -> np.ndarray:
    """For each image [n, ...], the place of the first one equal to it, pixel by pixel."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)
    return np.array([first.setdefault(digest, i) for i, digest in enumerate(digests)])


def inseparable(columns: Columns, originals: np.ndarray) -> np.ndarray:
    """A number for each example, shared by all that must be in one split.

    These are the images of a person, and the copies of an image. If copies show two persons, all
    images of both stay together.

    Parameters
    ----------
    columns : dict of ndarray
    originals : ndarray [n]
        As `copies` found them.

    Returns
    -------
    ndarray [n] of int
        The smallest `person_id` among them, or `image_id` if no person is known.
    """
    identity = columns.get("person_id", columns["image_id"])
    numbers, person = np.unique(identity, return_inverse=True)
    # A graph of persons; each copy is an edge to the person of its original.
    edges = (person, person[originals])
    graph = coo_array((np.ones(len(person), bool), edges), shape=(len(numbers), len(numbers)))
    group = connected_components(graph, directed=False)[1]
    smallest = np.full(len(numbers), len(numbers))
    np.minimum.at(smallest, group, np.arange(len(numbers)))
    return numbers[smallest[group[person]]]
