"""Parameters of every evaluation: section `evaluation`."""

from typing import Annotated

from pydantic import Field

from fer_core.params import Section

__all__ = ["EvaluationOptions"]


class EvaluationOptions(Section):
    """How models are measured.

    Attributes:
        bootstrap: resamples behind each confidence interval.
        bins: confidence bins of ece, ace and the reliability diagram.
        compare_set: the named test set on which methods are compared.
    """

    bootstrap: Annotated[int, Field(ge=100, le=100_000)]
    bins: Annotated[int, Field(ge=2, le=100)]
    compare_set: Annotated[str, Field(min_length=1)]
