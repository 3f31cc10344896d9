"""Labels that the teachers doubt, where they have not learned from them.

The rule is confident learning's (Northcutt, Jiang and Chuang, "Confident Learning: Estimating
Uncertainty in Dataset Labels", JAIR 2021): the threshold of a class is the mean probability of it
over the rows of that label. A row counts for the most probable of the classes whose threshold it
reaches. Where that is another class than its label, the label is doubted.
"""

import numpy as np
import pandas as pd

from fer_core.base.errors import ParamsError
from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.evaluation.inspection.softlabels import Fused
from fer_core.evaluation.metrics.metrics import softmax

__all__ = ["check_not_learned", "doubted_labels", "label_doubts"]


def check_not_learned(fused: Fused, split: str) -> None:
    """Refuse train rows whose teachers have learned their labels by heart.

    Raises:
        ParamsError: train rows, and a teacher without folds.
    """
    if split == "train" and fused.folds < 2:
        raise ParamsError(
            "The teachers learned from these labels, so they cannot doubt them.",
            where="teacher.folds",
            found=fused.folds,
            expected="2 or more: each train row is then answered by a teacher that left it out",
            remedy="set teacher.folds to 5, say, and run `fer run softlabels`; or ask for --split "
            "val or calib",
        )


def label_doubts(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class that each row counts for, int64 [N]; -1 where it reaches no threshold.

    Args:
        probabilities: float [N, 7].
        labels: int [N].
    """
    thresholds = np.full(N_CLASSES, np.inf)
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    return np.where(reached.max(axis=1) < 0, -1, reached.argmax(axis=1))


def doubted_labels(fused: Fused) -> pd.DataFrame:
    """Rows whose label is doubted, the most doubtful first: sample_id, source, label, suggested
    (names of classes), and the probability of both.
    """
    p = softmax(fused.logits)
    labels = fused.rows["label"].to_numpy(dtype=np.int64)
    counts_for = label_doubts(p, labels)
    doubted = np.flatnonzero((counts_for >= 0) & (counts_for != labels))
    suggested = counts_for[doubted]
    names = np.array(CLASSES)
    table = fused.rows.iloc[doubted][["sample_id", "source"]].assign(
        label=names[labels[doubted]],
        suggested=names[suggested],
        label_probability=p[doubted, labels[doubted]].round(4),
        suggested_probability=p[doubted, suggested].round(4),
    )
    margin = table["suggested_probability"] - table["label_probability"]
    order = table.assign(margin=margin).sort_values(
        ["margin", "sample_id"], ascending=[False, True]
    )
    return order.drop(columns="margin").reset_index(drop=True)
