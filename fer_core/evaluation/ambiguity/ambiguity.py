"""The student against the votes of annotators instead of one label.

Where ten people disagree, no answer is the one right one. Three questions: how well do the
probabilities fit the shares of votes; how well could anybody do who knows them, or one more
annotator; and how many mistakes are answers that annotators gave, too.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.special import entr

from fer_core.base.labels import CLASSES
from fer_core.base.params import Section
from fer_core.evaluation.metrics.bootstrap import Interval, confidence_intervals, interval_of
from fer_core.evaluation.metrics.deployed import Answers, refused
from fer_core.evaluation.metrics.options import EvaluationOptions

__all__ = ["AmbiguityOptions", "measure_ambiguity", "tenth_annotator"]

_LEAST = 2


class AmbiguityOptions(Section):
    """What counts as a mistake that annotators share.

    Attributes:
        share: of the votes that the student's answer must have, where it is not the label.
        shown: how many such faces the report shows.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    shown: Annotated[int, Field(ge=0, le=100)] = 12


def measure_ambiguity(
    answers: Answers,
    votes: np.ndarray,
    options: AmbiguityOptions,
    evaluation: EvaluationOptions,
    seed: int,
) -> dict[str, Any]:
    """The student and its ceilings on rows with votes.

    Args:
        answers: to N rows.
        votes: float64 [N, 7], for each class; nan where a row has none.
        options: section `trust.ambiguity`.
        evaluation: section `evaluation`.
        seed: of the bootstrap.

    Returns:
        Plain values for JSON. Rows without votes, or whose votes do not sum to more than 0, are
        counted under `left_out`; without any row that has them there are no numbers, but a reason.
    """
    without = np.isnan(votes).all(axis=1)
    sound = np.isfinite(votes).all(axis=1) & (votes >= 0).all(axis=1) & (votes.sum(axis=1) > 0)
    left_out = {
        "no_votes": refused(int(without.sum()), "this data set brings no votes"),
        "unsound": refused(
            int((~sound & ~without).sum()), "votes that are negative or do not sum to more than 0"
        ),
    }
    left_out = {name: found for name, found in left_out.items() if found["n"]}
    if not sound.any():
        return {**refused(0, "no test row has votes"), "left_out": left_out}
    answers, votes = answers.of(sound), votes[sound]
    shares = votes / votes.sum(axis=1, keepdims=True)
    weights = answers.weights(evaluation.bootstrap, seed)
    agreeing = shares[np.arange(len(answers)), answers.said]
    outcome = replace(
        answers.outcome(evaluation.bins),
        nll=-(shares * answers.log_p).sum(axis=1),
        surplus=agreeing - answers.confidence,
    )
    fit = confidence_intervals(
        outcome, evaluation.bootstrap, seed, ("nll", "ece"), answers.clusters
    )

    def mean(values: np.ndarray) -> Interval:
        return interval_of(lambda w: float(w @ values / w.sum()), weights)

    return {
        "rows": len(answers),
        "clusters": len(np.unique(answers.clusters)),
        "left_out": left_out,
        "nll": fit["nll"].to_dict(),
        "nll_least": mean(entr(shares).sum(axis=1)).to_dict(),
        "ece": fit["ece"].to_dict(),
        "soft_accuracy": mean(agreeing).to_dict(),
        "soft_accuracy_most": mean(shares.max(axis=1)).to_dict(),
        "accuracy": mean(answers.right.astype(np.float64)).to_dict(),
        "annotator": _annotator(votes, mean),
        "mistakes": _mistakes(answers, shares, agreeing, options, mean),
    }


def tenth_annotator(votes: np.ndarray) -> np.ndarray:
    """For each row, the chance that an annotator taken out at random is of the opinion of most of
    the others, float64 [N]; where several opinions have most votes, one of them is drawn.

    Args:
        votes: [N, 7] whole numbers, two or more a row.
    """
    total = votes.sum(axis=1)
    chance = np.zeros(len(votes))
    for label in range(votes.shape[1]):
        others = votes.astype(np.float64)
        others[:, label] -= 1
        most = others.max(axis=1)
        ties = (others == most[:, None]).sum(axis=1)
        agrees = (others[:, label] == most) & (votes[:, label] > 0)
        chance += votes[:, label] / total * agrees / ties
    return chance


def _annotator(votes: np.ndarray, mean: Callable[[np.ndarray], Interval]) -> dict[str, Any]:
    """How often one more annotator agrees with the majority of the others."""
    whole = (votes == votes.round()).all(axis=1) & (votes.sum(axis=1) >= _LEAST)
    if not whole.all():
        reason = f"not counts of {_LEAST} annotators or more: the annotators' agreement is unknown"
        return dict(refused(int((~whole).sum()), reason))
    return {**mean(tenth_annotator(votes)).to_dict(), "votes": round(float(votes.sum(1).mean()), 2)}


def _mistakes(
    answers: Answers,
    shares: np.ndarray,
    agreeing: np.ndarray,
    options: AmbiguityOptions,
    mean: Callable[[np.ndarray], Interval],
) -> dict[str, Any]:
    """Mistakes by the label, and those of them that annotators share, most votes first."""
    said, wrong = answers.said, ~answers.right
    shared = wrong & (agreeing >= options.share)
    order = np.lexsort((np.array(answers.sample_ids), -agreeing))
    _, first = np.unique(answers.clusters[order], return_index=True)
    once = np.isin(np.arange(len(order)), first)  # a picture in two data sets is shown once
    shown = [i for i in order[once].tolist() if shared[i]][: options.shown]
    return {
        "wrong": int(wrong.sum()),
        "shared": int(shared.sum()),
        "share": options.share,
        "shared_of_all": mean(shared.astype(np.float64)).to_dict(),
        "faces": [
            {
                "sample_id": answers.sample_ids[i],
                "label": CLASSES[answers.labels[i]],
                "said": CLASSES[said[i]],
                "votes": round(float(agreeing[i]), 3),
                "label_votes": round(float(shares[i, answers.labels[i]]), 3),
            }
            for i in shown
        ],
    }
