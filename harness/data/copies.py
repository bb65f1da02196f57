"""Equal images, which two splits must not share, and who else then belongs together."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from harness.data.columns import Columns


def copies(images: np.ndarray) -> np.ndarray:
    """For each image [n, ...] the place of the first that is equal to it, pixel by pixel."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)
    return np.array([first.setdefault(digest, i) for i, digest in enumerate(digests)])


def inseparable(columns: Columns, originals: np.ndarray) -> np.ndarray:
    """A number for each example, shared by all that have to be in one split.

    Those are the images of a person, and the copies of an image; if one is of two persons, all
    images of both.

    Parameters
    ----------
    columns : dict of ndarray
    originals : ndarray [n]
        As `copies` found them.

    Returns
    -------
    ndarray [n] of int
        The smallest `person_id` of those, or `image_id` where nobody is known.
    """
    identity = columns.get("person_id", columns["image_id"])
    numbers, person = np.unique(identity, return_inverse=True)
    # A graph whose vertices are persons; each copy is an edge to the person of its original.
    edges = (person, person[originals])
    graph = coo_array((np.ones(len(person), bool), edges), shape=(len(numbers), len(numbers)))
    group = connected_components(graph, directed=False)[1]
    smallest = np.full(len(numbers), len(numbers))
    np.minimum.at(smallest, group, np.arange(len(numbers)))
    return numbers[smallest[group[person]]]
