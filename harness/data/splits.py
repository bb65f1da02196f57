"""Decides which examples are forget, retain, validation and test set."""

from __future__ import annotations

import numpy as np

from harness.competition import CompetitionError, Forget, Splits
from harness.data.columns import TEST, TRAIN, VALIDATION, Columns
from harness.data.copies import copies, inseparable
from harness.data.notices import tell


def members(columns: Columns, splits: Splits) -> dict[str, np.ndarray]:
    """The rows of each split.

    Parameters
    ----------
    columns : dict of ndarray
        With `person_id`, no person of the forget set is in the retain set, and no person is in two
        splits unless the publishers of the data divided them so. Equal images count as images of
        one person; the forget set takes the copies of its images.
    splits : Splits

    Raises
    ------
    CompetitionError
        If there are too few examples, or a person would be in two splits.
    """
    rows = trainable(columns, splits)
    forget = _forget(columns, rows, splits)
    person = columns.get("person_id", columns["image_id"])
    if (shared := np.intersect1d(person[forget], person[np.setdiff1d(rows, forget)])).size:
        raise CompetitionError(
            f"identity {shared[0]} would be in the forget set and in another split (they are "
            'numbered from 0 by their names); choose the forget set by kind = "identities"'
        )
    originals = copies(columns["image"])
    identity = inseparable(columns, originals)
    chosen, forget = forget, rows[np.isin(identity[rows], identity[forget])]
    if len(forget) > len(chosen):
        tell(
            f"the forget set gets {len(forget) - len(chosen)} more images: copies of its own, "
            "and other images of the persons on them"
        )
    others = np.setdiff1d(rows, forget)
    if splits.published:
        if torn := np.count_nonzero(columns["part"] != columns["part"][originals]):
            tell(f"{torn} images are copies of images in another of the published splits")
        held_out = {"validation": VALIDATION, "test": TEST}
        parts = {name: np.flatnonzero(columns["part"] == part) for name, part in held_out.items()}
        return {"retain": others, "forget": forget} | parts
    retain, validation, test = _deal(others, identity[others], splits)
    return {"retain": retain, "forget": forget, "validation": validation, "test": test}


def trainable(columns: Columns, splits: Splits) -> np.ndarray:
    """The rows that may be in the forget set.

    Raises
    ------
    CompetitionError
        If the splits ask for the publishers' division and there is none.
    """
    if not splits.published:
        return np.arange(len(columns["label"]))
    if "part" not in columns:
        raise CompetitionError(
            "splits.published: the publishers of this dataset did not divide it; "
            "give splits.retain and splits.validation instead"
        )
    return np.flatnonzero(columns["part"] == TRAIN)


def _forget(columns: Columns, rows: np.ndarray, splits: Splits) -> np.ndarray:
    """The rows to forget, of those that may be, in order."""
    forget = splits.forget
    # Its own stream of random numbers, apart from the one that deals the other examples.
    rng = np.random.default_rng([splits.seed, 1])
    match forget.kind:
        case "indices":
            return _given(forget.indices, rows)
        case "class":
            return _chosen(rows[columns["label"][rows] == forget.label], forget, rng)
        case "identities" if "person_id" not in columns:
            raise CompetitionError("splits.forget: this dataset has no identities to choose from")
        case "identities":
            identity = columns["person_id"][rows]
            return rows[np.isin(identity, _chosen(np.unique(identity), forget, rng))]
        case "memorised" if "memorisation" not in columns:
            raise CompetitionError("splits.forget: nobody has measured what models memorise")
        case "memorised":
            order = np.argsort(-columns["memorisation"][rows], kind="stable")
            return np.sort(rows[order[: _count(forget, len(rows))]])
        case _:  # "block" and "random"
            return _chosen(rows, forget, rng)


def _chosen(candidates: np.ndarray, forget: Forget, rng: np.random.Generator) -> np.ndarray:
    """As many as the forget set takes: consecutive from `start` if it has one, else drawn."""
    count = _count(forget, len(candidates))
    end = (forget.start or 0) + count
    if forget.start is not None:
        return candidates[forget.start : end]
    return np.sort(rng.choice(candidates, count, replace=False))


def _count(forget: Forget, candidates: int) -> int:
    """How many of the candidates the forget set takes."""
    count = forget.count or round((forget.share or 1) * candidates)
    end = (forget.start or 0) + count
    if not candidates:
        raise CompetitionError(f"splits.forget: no example has the label {forget.label}")
    if not count:
        raise CompetitionError(
            f"splits.forget.share = {forget.share} of {candidates} is less than one; "
            "take a larger share"
        )
    if end > candidates:
        raise CompetitionError(
            f"the forget set ends at {end}, there are {candidates} to choose from"
        )
    return count


def _given(indices: tuple[int, ...] | str, rows: np.ndarray) -> np.ndarray:
    """Rows that the host names, directly or in a `.npy` file."""
    try:
        chosen = np.asarray(np.load(indices) if isinstance(indices, str) else indices)
    except (OSError, ValueError, EOFError) as error:
        raise CompetitionError(f"splits.forget.indices: cannot read {indices}: {error}") from None
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise CompetitionError("splits.forget.indices must be a list of whole numbers")
    if len(np.unique(chosen)) < len(chosen) or not np.isin(chosen, rows).all():
        raise CompetitionError(
            "splits.forget.indices names an example twice, or one that is not among the "
            f"{len(rows)} that can be trained on"
        )
    return np.sort(chosen)


def _deal(rows: np.ndarray, identity: np.ndarray, splits: Splits) -> list[np.ndarray]:
    """Retain, validation and test rows: each takes whole identities until it has enough."""
    _, person, images = np.unique(identity, return_inverse=True, return_counts=True)
    order = np.random.default_rng(splits.seed).permutation(len(images))
    rows = rows[np.argsort(np.argsort(order)[person], kind="stable")]
    ends = np.cumsum(images[order])  # where each identity's rows end in this order
    cuts = [0]
    for wanted in (splits.retain, splits.validation):
        count = wanted if wanted >= 1 else round(wanted * len(rows))
        last = np.searchsorted(ends, cuts[-1] + count)
        if last >= len(ends) - 1:
            whole = f", of {len(ends)} identities that stay whole," if len(ends) < len(rows) else ""
            raise CompetitionError(
                f"splits.retain and splits.validation take all of the {len(rows)} examples{whole} "
                "that are not forgotten; leave some for the test set"
            )
        cuts.append(int(ends[last]))
    return np.split(rows, cuts[1:])
