"""Two methods against each other on one named test set: what a comparison knows and finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fer_core.evaluation.comparison.significance import over_seeds
from fer_core.evaluation.metrics.bootstrap import Interval

__all__ = ["DIFFERENCES", "Conditions", "Difference", "MethodPair", "Refusal", "SeedPair"]

DIFFERENCES = ("macro_f1", "accuracy", "nll", "nll_scaled")
"""What methods are compared in; nll_scaled is the NLL after temperature scaling."""


@dataclass(frozen=True)
class Conditions:
    """What is known of the runs besides their answers.

    Attributes:
        temperatures: run's key -> temperature fitted on calib rows.
        trials: method -> how many settings of it were tried on val rows; empty where nothing is
            recorded.
        rising: method -> words on its val curve, for those whose curve still rose when training
            ended.
    """

    temperatures: Mapping[str, float]
    trials: Mapping[str, int] = field(default_factory=dict)
    rising: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """How far a is ahead of b in one metric.

    Attributes:
        over_rows: difference of the mean over seeds, with its 95 % interval over the choice of test
            clusters.
        by_seed: of each seed.
        over_seeds: the same difference with an interval over clusters and seeds; None for one seed.
    """

    over_rows: Interval
    by_seed: tuple[float, ...]

    @property
    def over_seeds(self) -> Interval | None:
        """Interval over clusters and seeds; None for one seed."""
        return over_seeds(self.over_rows, self.by_seed)


@dataclass(frozen=True)
class SeedPair:
    """Two runs of one seed on the same rows.

    Attributes:
        seed: of both.
        only_a, only_b: clusters of which a, b classifies more rows right than the other.
        disagree: rows on which the predictions differ.
        p: of no difference in accuracy (`sign_flip_p`).
    """

    seed: int
    only_a: int
    only_b: int
    disagree: int
    p: float


@dataclass(frozen=True)
class MethodPair:
    """Method a against method b on one set.

    Attributes:
        set_name: the test set.
        a, b: methods; differences are a − b.
        n: test rows.
        clusters: distinct clusters among them.
        differences: of each of `DIFFERENCES`.
        seeds: the runs in pairs.
        p: of no difference in accuracy, all seeds together (`median_p`).
        holm_p: adjusted for all pairs compared, on all sets.
        macro_f1_p: of no difference in macro-F1 (`significance.macro_f1_p`).
        macro_f1_holm_p: adjusted for the same pairs.
        family: how many these are.
        unequal: what their budgets differ in, by name; empty where they are equal.
        trials: settings tried of a and of b; None where that is not recorded.
        rising: words on the val curves of a and b that still rose when training ended.
    """

    set_name: str
    a: str
    b: str
    n: int
    clusters: int
    differences: Mapping[str, Difference]
    seeds: tuple[SeedPair, ...]
    p: float
    holm_p: float
    macro_f1_p: float
    macro_f1_holm_p: float
    family: int = 1
    unequal: tuple[str, ...] = ()
    trials: tuple[int, int] | None = None
    rising: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether a difference in macro-F1 is shown, all comparisons allowed for: its interval
        excludes 0 and Holm's p is below 0.05.
        """
        return self.differences["macro_f1"].over_rows.excludes_zero and self.macro_f1_holm_p < 0.05


@dataclass(frozen=True)
class Refusal:
    """A pair that is not compared, and why, in words."""

    a: str
    b: str
    reasons: tuple[str, ...]
