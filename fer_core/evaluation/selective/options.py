"""Parameters of abstention: section `trust.selective`."""

from typing import Annotated

from pydantic import Field

from fer_core.base.params import Section, each_once

__all__ = ["SelectiveOptions"]

_Share = Annotated[float, Field(gt=0, lt=1)]


class SelectiveOptions(Section):
    """When the student abstains, and which classes it cannot rule out.

    Attributes:
        risks: shares of wrong answers among those given, for each of which a threshold is fitted on
            calib rows.
        auto: the one of them whose threshold the exported file carries for `--threshold auto`.
        miss: share of faces whose label may be missing from the set of classes that cannot be ruled
            out.
    """

    risks: Annotated[tuple[_Share, ...], Field(min_length=1), each_once()] = (0.05, 0.1)
    auto: _Share = 0.1
    miss: _Share = 0.1
