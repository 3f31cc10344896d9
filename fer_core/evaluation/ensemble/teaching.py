"""Which ensemble teaches: section `targets`. Soft labels may come from any weighting of the
teachers, be the mean over an image's views, and be mixed with people's votes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fer_core.base.errors import ParamsError
from fer_core.base.params import Section
from fer_core.evaluation.ensemble.ensemble import Ensemble, Weighting
from fer_core.evaluation.metrics.metrics import log_softmax

__all__ = ["PLAIN", "TargetOptions", "Teaching", "check_weights"]

_KINDS = ("per_class", "per_source")
_WEIGHTINGS = ("best_single", "uniform")
_TINY = 1e-12


class TargetOptions(Section):
    """How the students' targets are made of the teachers' logits.

    Attributes:
        weights: "global" (those that were searched), "best_single", "uniform", "per_class" or
            "per_source" (if `ensemble.kinds` has it), a name of `ensemble.weightings`, or the tag
            of a teacher, which then teaches alone. Methods that learn from each teacher leave out
            those whose weight is 0.
        average: "views" gives all views of an image the mean of their probabilities, the evaluation
            view's too; "none" gives each its own.
        votes: share of people's votes in the targets of every row that has some; the rest is the
            teachers'.
    """

    weights: str = "global"
    average: Literal["none", "views"] = "none"
    votes: Annotated[float, Field(ge=0, le=1)] = 0.0


@dataclass(frozen=True)
class Teaching:
    """How targets are made, and what of the dev rows that needs.

    Attributes:
        options: section `targets`.
        sources: of every dev row; only for weights by source.
        votes: shares of every dev row, float [rows, 7], zeros where nobody voted; only for targets
            with votes.
    """

    options: TargetOptions
    sources: Sequence[str] = ()
    votes: np.ndarray | None = None

    @property
    def changes(self) -> bool:
        """Whether targets are more than fused logits."""
        return self.options.average != "none" or self.options.votes > 0

    def fused(
        self, ensemble: Ensemble, logits: Mapping[str, np.ndarray], rows: np.ndarray
    ) -> np.ndarray:
        """Calibrated fused logits at T = 1, float64 [n, …, 7].

        Args:
            ensemble: of these teachers.
            logits: raw logits [n, …, 7] of each teacher.
            rows: their numbers among the dev rows [n].

        Raises:
            ParamsError: the ensemble has no such weights.
        """
        name = self.options.weights
        if name in ensemble.teachers:
            return np.asarray(logits[name], dtype=np.float64) / ensemble.temperatures[name]
        if name not in _KINDS:
            return ensemble.fused(logits, self.weighting(ensemble))
        check_weights(name, ensemble.kinds, ())
        shape = next(iter(logits.values())).shape
        sources = np.asarray(self.sources, dtype=object)
        of_rows = sources[rows] if len(sources) else np.full(len(rows), "", dtype=object)
        flat = {tag: values.reshape(-1, shape[-1]) for tag, values in logits.items()}
        repeated = np.repeat(of_rows, int(np.prod(shape[1:-1])))
        return ensemble.fused_by(name, flat, repeated).reshape(shape)

    def weighting(self, ensemble: Ensemble) -> Weighting | None:
        """The weighting that teaches; None for weights by class or source, and for one teacher.

        Raises:
            ParamsError: the ensemble has no such weights.
        """
        name = self.options.weights
        if name in _KINDS or name in ensemble.teachers:
            return None
        known = ensemble.weightings() | {"global": ensemble.chosen}
        check_weights(name, ensemble.kinds, (*ensemble.given, *ensemble.teachers))
        return known[name]

    def teachers(self, ensemble: Ensemble) -> tuple[str, ...]:
        """Teachers that take part; of the global weights all do, whatever theirs are."""
        name = self.options.weights
        if name in ensemble.teachers:
            return (name,)
        how = None if name == "global" else self.weighting(ensemble)
        return tuple(tag for tag in ensemble.teachers if how is None or how.weights[tag] > 0)

    def finished(self, fused: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The targets of fused logits [n, K + 1, 7]: averaged over views and mixed with votes where
        that is asked for, as log-probabilities then.
        """
        if not self.changes:
            return fused
        p = np.exp(log_softmax(fused))
        if self.options.average == "views":
            p = np.broadcast_to(p.mean(axis=1, keepdims=True), p.shape)
        if self.votes is not None:
            votes = self.votes[rows][:, None]
            share = self.options.votes * votes.sum(axis=-1, keepdims=True)
            p = (1 - share) * p + self.options.votes * votes
        return np.log(np.maximum(p, _TINY))

    def to_dict(self, ensemble: Ensemble) -> dict[str, Any]:
        """How the teachers were fused, as plain values for the alignment report."""
        how = self.weighting(ensemble)
        told: dict[str, Any] = {}
        if how is not None:
            told = {"space": how.space, "weights": how.weights, "temperature": how.temperature}
        if self.options != TargetOptions():
            told["targets"] = self.options.model_dump()
        return told


PLAIN = Teaching(TargetOptions())
"""Logits of the searched weights, each view's own."""


def check_weights(name: str, kinds: Collection[str], others: Collection[str]) -> None:
    """Refuse the name of weights that there are none of.

    Args:
        name: `targets.weights`.
        kinds: `ensemble.kinds`.
        others: names of `ensemble.weightings`, and tags of teachers.

    Raises:
        ParamsError: there are none.
    """
    if name in _KINDS and name not in kinds:
        raise ParamsError(
            "These weights are not fitted.",
            where="params.yaml: targets.weights",
            found=name,
            remedy=f"add {name} to ensemble.kinds",
        )
    if name not in (known := ("global", *_WEIGHTINGS, *_KINDS, *others)):
        raise ParamsError(
            "There are no such weights to make targets with.",
            where="params.yaml: targets.weights",
            found=name,
            expected=", ".join(known),
        )
