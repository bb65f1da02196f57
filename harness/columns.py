"""A row, its columns and its figures: what each is called, means and looks like, said once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

CSV, TERMINAL, PAGE, DETAILS = "leaderboard.csv", "terminal", "report's table", "report's details"


@dataclass(frozen=True)
class Column:
    """How a field of `Row` is shown, wherever it is.

    Attributes
    ----------
    key : str
        Its name in files, and in `Row`.
    title : str
        Its name in tables that people read.
    caption : str
        What it means, in a sentence.
    form : str
        How its number is written, as `format` takes it.
    shown : tuple of str
        Where: in `CSV`, `TERMINAL`, `PAGE`, `DETAILS`. Every figure is in `metrics-N.json` too.
    upto : str
        The key of the upper end, if it is shown as an interval.
    falling : bool
        Whether a reader who sorts by it wants the largest first.
    """

    key: str
    title: str
    caption: str
    form: str = ""
    shown: tuple[str, ...] = ()
    upto: str = ""
    falling: bool = False

    def text(self, row: Mapping[str, Any]) -> str:
        """What a table shows of the row; nothing where it has no value."""
        ends = [row.get(key) for key in (self.key, self.upto) if key]
        return "-".join(format(value, self.form) for value in ends if value is not None)


def _needed(title: str, caption: str, form: str = "", *shown: str, **more: Any) -> Any:
    return field(metadata={"title": title, "caption": caption, "form": form, "shown": shown} | more)


def _column(*described: str, **more: Any) -> Any:
    return field(default=None, metadata=_needed(*described, **more).metadata)


@dataclass(kw_only=True)
class Row:
    """A submission's results: a row of the leaderboard, and what it has no column for.

    The fields with a title are columns or figures, in the order in which they are shown. A figure
    is None where it is unknown: on a row that was not scored, or was stored before the figure was
    added.
    """

    # fmt: off
    rank: int | None = _column(
        "rank", "The place among rows of as many runs, best first.",
        "d", CSV, TERMINAL, PAGE)
    rank_group: int | None = _column(
        "group", "Rows of one group are not significantly different; so are all rows at the floor.",
        "d", CSV, TERMINAL, PAGE)
    submission: str = _needed(
        "submission", "The file's name without its ending.",
        "", CSV, TERMINAL, PAGE)
    score: float | None = _column(
        "score", "1 is as good as retraining without the forget set, as far as an adversary can "
        "tell who sees the confidence in the label and may query the model on images of their own; "
        "near 0 they can always tell.",
        ".4f", CSV, TERMINAL, PAGE, falling=True)
    score_low: float | None = _column(
        "95 % interval", "Where the score would lie, 95 times in 100, with other models of the "
        "same kind.",
        ".4f", CSV, TERMINAL, PAGE, upto="score_high")
    score_high: float | None = _column(
        "interval's end", "The upper end of the score's interval.",
        ".4f", CSV)
    strict_score: float | None = _column(
        "strict", "The same score against an adversary who sees all logits; it does not rank.",
        ".4f", CSV, TERMINAL, PAGE, falling=True)
    forgetting_quality: float | None = _column(
        "forgetting quality", "The mean over the forget examples of 2^(-2 epsilon): 1 if no "
        "attacker tells the models from retrained ones.",
        ".3f", CSV, DETAILS)
    utility: float | None = _column(
        "utility", "Retain accuracy times test accuracy, each over that of retrained models and "
        "at most 1.",
        ".3f", CSV, DETAILS)
    retain_accuracy: float | None = _column(
        "retain", "The mean accuracy on the retain set.",
        ".3f", CSV)
    test_accuracy: float | None = _column(
        "test", "The mean accuracy on the test set, which should be that of retrained models.",
        ".3f", CSV, TERMINAL, PAGE, falling=True)
    forget_accuracy: float | None = _column(
        "forget", "The mean accuracy on the forget set, which should be that of retrained models, "
        "not the lowest.",
        ".3f", CSV, TERMINAL, PAGE, falling=True)
    epsilon_median: float | None = _column(
        "epsilon, median", "How surely the best attacker tells unlearned from retrained models by "
        "one forget example, in nats: 0 is not at all. The median over the examples.",
        ".3f", CSV, DETAILS)
    epsilon_p90: float | None = _column(
        "epsilon, 90th percentile", "The epsilon that one forget example in ten exceeds.",
        ".3f", CSV, DETAILS)
    neurips2023_score: float | None = _column(
        "2023", "The score by the published rule of the NeurIPS 2023 challenge, which can be "
        "fooled.",
        ".3f", CSV, PAGE, falling=True)
    klom: float | None = _column(
        "KLOM, mean", "The Kullback-Leibler divergence of confidences from those of retrained "
        "models, in nats: the mean over the forget examples.",
        ".3f", CSV, DETAILS)
    runs: int = _needed(
        "runs", "How often the submission was run, N; scores of different N cannot be compared.",
        "d", CSV, PAGE)
    seconds_per_run: float | None = _column(
        "seconds", "The mean time of a run.",
        ".3f", CSV)
    retrain_fraction: float | None = _column(
        "time", "The time of a run over that of one retraining, measured beside it.",
        ".0%", CSV, TERMINAL, PAGE)
    status: str = _needed(
        "status", "`scored`, or the verdict that stopped the submission; `baseline` is a line that "
        "stands on every board, `shipped` a row that came with the harness and was not run here.",
        "", CSV, TERMINAL, PAGE)
    flags: str | None = _column(
        "flags", "What a reader should know before believing the row.",
        "", CSV, TERMINAL, PAGE)
    isolation: str | None = _column(
        "isolation", "How strongly the sandbox held the runs: `full`, `partial` or `none`.",
        "", CSV)
    memory: str | None = _column(
        "memory", "`capped` if the kernel held every run to its memory, else `watched`.",
        "", CSV)
    device: str | None = _column(
        "device", "What the runs computed on: `cpu` or `cuda`.",
        "", CSV)
    metric_version: str | None = _column(
        "metric version", "The version of the score's definition.",
        "", CSV)
    reference: str | None = _column(
        "reference", "The checksum of what the row was compared with, and of the attackers; rows "
        "that differ in it cannot be compared.",
        "", CSV)
    sha256: str | None = _column(
        "SHA-256", "The checksum of the submitted file.",
        "", CSV)
    evaluated_at: str | None = _column(
        "evaluated", "When the row was made, in UTC.",
        "", CSV)
    ceiling: float | None = _column(
        "ceiling", "The forgetting quality of a second pool of retrained models, by which the "
        "score is divided.",
        ".3f", DETAILS)
    strict_score_low: float | None = _column(
        "strict score, 95 % interval", "Where the strict score would lie, 95 times in 100, with "
        "other models of the same kind.",
        ".4f", upto="strict_score_high")
    strict_score_high: float | None = _column(
        "strict score, interval's end", "The upper end of the strict score's interval.",
        ".4f")
    strict_ceiling: float | None = _column(
        "strict ceiling", "The ceiling of the strict score.",
        ".3f")
    strict_epsilon_median: float | None = _column(
        "strict epsilon, median", "The median over the forget examples of the epsilon that all "
        "logits show.",
        ".3f")
    neurips2023_forgetting_quality: float | None = _column(
        "2023 forgetting quality", "The forgetting quality by the published rule of the NeurIPS "
        "2023 challenge.",
        ".3f")
    epsilon_lower_bound_median: float | None = _column(
        "epsilon, lower bound, median", "A bound on epsilon that holds with 95 % confidence, since "
        "its rule was chosen on other models.",
        ".3f", DETAILS)
    ks_distance: float | None = _column(
        "Kolmogorov-Smirnov distance, median", "The largest gap between the distribution functions "
        "of unlearned and retrained confidences.",
        ".3f", DETAILS)
    gaussian_dp_mu: float | None = _column(
        "Gaussian-DP mu, median", "The distance of two unit Gaussians that are as hard to tell "
        "apart as unlearned and retrained confidences.",
        ".3f", DETAILS)
    membership_inference_accuracy: float | None = _column(
        "membership attack", "How accurately a model's loss tells forget from test examples: 0.5 "
        "is chance.",
        ".3f", DETAILS)
    retrained_membership_inference_accuracy: float | None = _column(
        "membership attack, retrained", "The accuracy of the same attack on retrained models.",
        ".3f", DETAILS)
    validation_accuracy: float | None = _column(
        "validation", "The mean accuracy on the validation set.",
        ".3f")
    retrained_retain_accuracy: float | None = _column(
        "retain, retrained", "The mean retain accuracy of retrained models.",
        ".3f")
    retrained_forget_accuracy: float | None = _column(
        "forget, retrained", "The mean forget accuracy of retrained models.",
        ".3f")
    retrained_validation_accuracy: float | None = _column(
        "validation, retrained", "The mean validation accuracy of retrained models.",
        ".3f")
    retrained_test_accuracy: float | None = _column(
        "test, retrained", "The mean test accuracy of retrained models.",
        ".3f")
    retrain_fraction_low: float | None = _column(
        "time, at least", "The lower end of the 95 % interval of `retrain_fraction`, by which a "
        "row is slow.",
        ".0%")
    # fmt: on

    message: str = ""  # of a verdict
    explanations: dict[str, str] = field(default_factory=dict)  # of the flags, with their figures
    scorer: str | None = None  # the version of the code that made it, and the limit of `slow`
    over_limit: str = "mark"  # what became of a slow row when this one was made
    at_floor: bool = False
    draws: list[float] = field(default_factory=list)  # of the score, for its rank group

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Row:
        """The row from what a file holds, whatever version of the harness wrote it."""
        known = {f.name for f in fields(cls)}
        named: dict[str, Any] = {"reference": stored.get("key")}  # as it was called at first
        named |= {name: value for name, value in stored.items() if name in known}
        return cls(**named)

    def known(self) -> dict[str, Any]:
        """What is known, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


COLUMNS = {f.name: Column(f.name, **f.metadata) for f in fields(Row) if f.metadata}


def shown(where: str) -> list[Column]:
    """Those that are shown in one place, in order."""
    return [column for column in COLUMNS.values() if where in column.shown]
