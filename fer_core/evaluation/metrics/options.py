"""Parameters of every evaluation: section `evaluation`."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from fer_core.base.params import Section, each_once

__all__ = ["METHODS", "CalibrationOptions", "Carry", "EvaluationOptions", "Method"]

Method = Literal["temperature", "bias_corrected", "vector", "per_source"]
Carry = Literal["chosen", "temperature"]
"""What exported files carry: the method that is chosen, or the temperature whatever is chosen."""
METHODS: tuple[Method, ...] = get_args(Method)
"""From the simplest on; what asks for a face's source is least simple: a camera's picture has none.
"""


_Name = Annotated[str, Field(min_length=1)]


class CalibrationOptions(Section):
    """How networks are calibrated.

    Attributes:
        methods: what is fitted; temperature must be among them, because networks are compared with
            it, and a file carries it where it can carry no other.
        folds: of the cross-validation that chooses between them.
    """

    methods: Annotated[tuple[Method, ...], each_once("temperature")] = METHODS
    folds: Annotated[int, Field(ge=2, le=20)] = 5


class EvaluationOptions(Section):
    """How models are measured.

    Attributes:
        bootstrap: resamples behind each confidence interval.
        bins: confidence bins of ece, ece_equal_mass, classwise_ece and the reliability diagram.
        compare_set: the named test set on which methods are compared, or several; the first is the
            main one, which numbers are of where no other is named.
        calibration: how networks are calibrated.
        fixed_temperatures: nll, brier and ece of the raw logits divided by these numbers stand in
            every record too, as tables of earlier systems were made.
        allow_unequal_budgets: compare methods that did not get the same budget, or more trials of
            settings than ce, too, such as those of a chain; the words then say in what their
            budgets differ. Else such a pair is refused.
    """

    bootstrap: Annotated[int, Field(ge=100, le=100_000)]
    bins: Annotated[int, Field(ge=2, le=100)]
    compare_set: _Name | Annotated[tuple[_Name, ...], Field(min_length=1), each_once()]
    calibration: CalibrationOptions = CalibrationOptions()
    fixed_temperatures: Annotated[tuple[Annotated[float, Field(gt=0)], ...], each_once()] = ()
    allow_unequal_budgets: bool = False

    @property
    def compare_sets(self) -> tuple[str, ...]:
        """The sets on which methods are compared, the main one first."""
        return (self.compare_set,) if isinstance(self.compare_set, str) else self.compare_set
