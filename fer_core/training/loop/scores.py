"""Scores of the val rows after an epoch, without a library that takes a second to import in every
training run.
"""

import numpy as np

__all__ = ["val_scores"]


def val_scores(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 and mean negative log-likelihood, as scikit-learn defines them (a class
    that neither occurs nor is predicted has F1 0).

    Args:
        probabilities: float [N, C], rows sum to 1.
        truth: int [N], 0 to C - 1.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    right = np.bincount(truth[predicted == truth], minlength=classes)
    either = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return {
        "accuracy": float(right.sum() / len(truth)),
        "macro_f1": float(np.mean(2 * right / np.maximum(either, 1))),
        "nll": float(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)).mean()),
    }
