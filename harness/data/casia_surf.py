"""The faces of CASIA-SURF with their age groups, as in the NeurIPS 2023 challenge."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from harness.competition import CompetitionError
from harness.data.columns import TEST, TRAIN, VALIDATION, Columns, Positive
from harness.data.images import read_images

GROUPS = 10
_SEED = 43  # of the published shuffle


def casia_surf(folder: str, size: Positive = 32) -> Columns:
    """Faces in [0, 1], labelled by age group, with `person_id`, `age` and the published parts.

    Parameters
    ----------
    folder : str
        Holds `Age_Gender.txt`, with lines "person age gender", and `WBackground/`, with
        `<person>/real.rssdk/color/*.jpg` directly in it or one folder deeper.
    size : int
        Height and width in pixels.

    Raises
    ------
    CompetitionError
        If the folder, a label or an image is missing or damaged.

    References
    ----------
    The organisers' loader, google-deepmind/unlearning_evaluation, `surf.py`: age groups, numbers
    of persons, order of images and the parts (80, 10 and 10 % of the shuffled images) follow it.
    """
    ages = _ages(Path(folder) / "Age_Gender.txt")
    faces = "real.rssdk/color/*.jpg"
    background = Path(folder) / "WBackground"
    paths = [*background.glob(f"*/{faces}"), *background.glob(f"*/*/{faces}")]
    paths.sort(key=lambda path: (str(path.parents[2]), str(path)))
    if not paths:
        raise CompetitionError(f"there is no {background}/<person>/{faces}; {_WHERE}")
    people = [path.parents[2].name for path in paths]
    if unknown := sorted(set(people) - set(ages)):
        raise CompetitionError(f"{folder}/Age_Gender.txt has no line for {unknown[0]}; add it")
    numbers = {person: number for number, person in enumerate(sorted(ages))}
    age = np.array([ages[person] for person in people])
    edges = np.linspace(min(ages.values()), max(ages.values()) + 1, GROUPS + 1)
    return {
        "image": read_images(paths, size),
        "label": np.digitize(age, edges) - 1,
        "image_id": np.arange(len(paths)),
        "person_id": np.array([numbers[person] for person in people]),
        "age": age,
        "part": _published_parts(len(paths)),
    }


_WHERE = "the authors of CASIA-SURF give it out under a licence; unpack it into that folder"


def _ages(path: Path) -> dict[str, int]:
    """The age of each person."""
    if not path.is_file():
        raise CompetitionError(f"there is no {path}; {_WHERE}")
    ages: dict[str, int] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not words[1].isdecimal() or words[0] in ages:
            raise CompetitionError(
                f"{path}, line {number}: {line!r} should be 'person age gender', once per person"
            )
        ages[words[0]] = int(words[1])
    if not ages:
        raise CompetitionError(f"{path} is empty; {_WHERE}")
    return ages


def _published_parts(size: int) -> np.ndarray:
    order = list(range(size))
    random.Random(_SEED).shuffle(order)
    first, second = int(0.8 * size), int(0.9 * size)
    parts = np.empty(size, np.int64)
    for part, rows in (
        (TRAIN, order[:first]),
        (VALIDATION, order[first:second]),
        (TEST, order[second:]),
    ):
        parts[rows] = part
    return parts
