"""Section `manifest` of params.yaml."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, model_validator

from fer_core.base.params import Section
from fer_core.dataset.assembly.leakage import TwinOptions

__all__ = ["UNCLEANED", "ManifestOptions"]

UNCLEANED = "_uncleaned"
"""How the name of a data set ends that is another one's pictures as they came: it never trains."""


class ManifestOptions(Section):
    """How data sets become one manifest with final splits.

    Attributes:
        sources: data sets in order of preference: of train twins the row of the first one stays.
        eval_only: those of them of which only test rows are used.
        val_fraction: share of a source's train rows carved into val where the source brings no val
            split.
        calib_fraction: share carved into calib.
        test_fraction: source -> share carved into test, for sources that bring no test split
            (ExpW).
        missing_test_fraction: the same for every other source that brings no test split.
        non_faces: "drop" flagged train and val rows (blank frames, text), or "keep" them; test rows
            always stay.
        twins: what happens to faces that show the same picture.
        near_duplicate_bits: greatest Hamming distance of the perceptual hashes of near twins; 0
            looks for exact twins only.
        near_duplicate_correlation: least correlation of their thumbnails.
        near_duplicate_mirrored: look for near twins that are mirrored too.
    """

    sources: list[str] = Field(min_length=1)
    eval_only: list[str] = Field(default_factory=list)
    val_fraction: Annotated[float, Field(ge=0, lt=1)]
    calib_fraction: Annotated[float, Field(ge=0, lt=1)]
    test_fraction: dict[str, Annotated[float, Field(gt=0, lt=1)]]
    missing_test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    non_faces: Literal["drop", "keep"]
    twins: TwinOptions
    near_duplicate_bits: Annotated[int, Field(ge=0, le=16)]
    near_duplicate_correlation: Annotated[float, Field(gt=0, le=1)]
    near_duplicate_mirrored: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "ManifestOptions":
        if len(set(self.sources)) < len(self.sources):
            raise ValueError("a source is listed twice")
        if unknown := set(self.eval_only) - set(self.sources):
            raise ValueError(f"eval_only names {sorted(unknown)}, which sources does not list")
        if set(self.eval_only) == set(self.sources):
            raise ValueError("eval_only leaves nothing to train on")
        if trained := [
            name for name in self.sources if name.endswith(UNCLEANED) and name not in self.eval_only
        ]:
            raise ValueError(
                f"{', '.join(trained)}: an uncleaned edition is only evaluated, list it under "
                "eval_only"
            )
        if unknown := set(self.test_fraction) - set(self.sources):
            raise ValueError(f"test_fraction names {sorted(unknown)}, which sources does not list")
        if (
            self.val_fraction
            + self.calib_fraction
            + max(self.missing_test_fraction, *self.test_fraction.values(), 0)
            >= 1
        ):
            raise ValueError("the fractions leave nothing to train on")
        return self

    def carved_from(self, with_test: Collection[str]) -> dict[str, float]:
        """Source -> share of its rows that becomes test.

        Args:
            with_test: sources that bring a test split of their own.
        """
        shares = {
            source: self.test_fraction.get(source, self.missing_test_fraction)
            for source in self.sources
            if source not in with_test
        }
        return {source: share for source, share in shares.items() if share}
