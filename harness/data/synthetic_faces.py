"""Generated images with the structure of CASIA-SURF, for tests and benchmarks without it."""

from __future__ import annotations

import numpy as np

from harness.data.columns import Columns, Positive

_WAVES = 6  # spatial frequencies in each direction
_DECAY = 0.7  # each class has this many persons for one in the class before
_FIRST_AGE, _YEARS = 15, 7
# Standard deviations of what makes up an image. A person shows more clearly than an age, so a model
# that has seen the person knows the age far better than one that has not.
_AGE, _PERSON, _POSE, _NOISE = 0.025, 0.1, 0.05, 0.05


def synthetic_faces(
    persons: Positive, images: Positive, classes: Positive = 10, size: Positive = 32, seed: int = 0
) -> Columns:
    """Smooth random patterns, 3 x size x size in [0, 1]: age group, person, pose, and noise.

    Parameters
    ----------
    persons : int
        Number of persons; each has one age.
    images : int
        Mean number of images per person.
    classes : int
        Age groups of equal width; older ones are rarer.
    size : int
        Height and width in pixels.
    seed : int
    """
    rng = np.random.default_rng(seed)
    groups = rng.permutation(_age_groups(persons, classes))
    ages = _FIRST_AGE + _YEARS * groups + rng.integers(_YEARS, size=persons)
    person = np.repeat(np.arange(persons), 1 + rng.poisson(images - 1, size=persons))

    def patterns(count: int) -> np.ndarray:
        waves = rng.standard_normal((count, 3, _WAVES * _WAVES), np.float32)
        return (waves @ _basis(size)).reshape(count, 3, size, size)

    image = np.float32(_POSE) * patterns(len(person))
    image += np.float32(_AGE) * patterns(classes)[groups[person]]
    image += np.float32(_PERSON) * patterns(persons)[person]
    image += np.float32(_NOISE) * rng.standard_normal(image.shape, np.float32)
    return {
        # As coarse as image files, which hides how machines differ in rounding.
        "image": np.rint(np.clip(image + np.float32(0.5), 0, 1) * np.float32(255))
        / np.float32(255),
        "label": groups[person],
        "image_id": np.arange(len(person)),
        "person_id": person,
        "age": ages[person],
    }


def _age_groups(persons: int, classes: int) -> np.ndarray:
    """Each person's class; their numbers fall geometrically, and each class has at least one."""
    shares = _DECAY ** np.arange(classes)
    places = (np.arange(persons) + 0.5) / persons
    groups = np.searchsorted(np.cumsum(shares) / shares.sum(), places)
    groups[:classes] = np.arange(classes)[:persons]
    return groups


def _basis(size: int) -> np.ndarray:
    """Cosine waves over the image, of unit variance together [_WAVES², size²]."""
    places = (np.arange(size) + 0.5) / size
    waves = np.cos(np.pi * np.arange(_WAVES)[:, None] * places)
    both = np.einsum("iy,jx->ijyx", waves, waves).reshape(_WAVES**2, size**2)
    return (both / np.sqrt((both**2).sum(0).mean())).astype(np.float32)
