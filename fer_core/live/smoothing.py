"""From the answers of single frames to a label that stays while the face does."""

import math
from collections import deque

import numpy as np

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.live.specification import Smooth

__all__ = ["Smoother"]

_SLACK = 1e-9


class Smoother:
    """The state of one face.

    Mode "time" averages logarithms of probabilities with a weight that follows the time between
    frames, 1 - exp(-dt / tau), so that the frame rate does not matter. A label is given when its
    probability reaches `enter`, stays for `hold_s` at least, and leaves when another class reaches
    its own `enter` or its probability falls below `leave`.

    Mode "original" averages probabilities with a fixed weight a frame, keeps a class until another
    leads by `delta`, and gives what `minimum` of the last `window` frames agree on.

    Args:
        rules: of the specification; may be replaced at any time.

    Attributes:
        label: index of the class that is shown; None for uncertain.
    """

    def __init__(self, rules: Smooth) -> None:
        self.rules = rules
        self._start()

    def _start(self) -> None:
        self.label: int | None = None
        self._average: np.ndarray | None = None
        self._mode = self.rules.mode
        self._time = self._since = -math.inf
        self._kept: int | None = None
        self._votes: deque[int] = deque()

    def update(self, time: float, probabilities: np.ndarray) -> np.ndarray:
        """Take in one frame's answer.

        Args:
            time: of the frame in seconds; never less than before.
            probabilities: float [7], calibrated.

        Returns:
            Smoothed probabilities, float64 [7].
        """
        if self._mode != self.rules.mode:
            self._start()
        step = self._in_time if self.rules.mode == "time" else self._as_original
        smoothed = step(time, np.asarray(probabilities, dtype=np.float64))
        self._time = time
        return smoothed

    def _in_time(self, time: float, probabilities: np.ndarray) -> np.ndarray:
        logs = np.log(np.maximum(probabilities, self.rules.floor))
        if self._average is None or self.rules.tau_s == 0:
            self._average = logs
        else:
            weight = 1 - math.exp(-(time - self._time) / self.rules.tau_s)
            self._average = self._average + weight * (logs - self._average)
        powers = np.exp(self._average - self._average.max())
        smoothed = powers / powers.sum()
        held = time - self._since < self.rules.hold_s - _SLACK
        if self.label is None or not held:
            self._show(time, smoothed)
        return smoothed

    def _show(self, time: float, smoothed: np.ndarray) -> None:
        top = int(smoothed.argmax())
        label = self.label
        if top != label and smoothed[top] >= self.rules.entering()[top]:
            label = top
        elif label is not None and smoothed[label] < self.rules.leave:
            label = None
        if label != self.label:
            self.label, self._since = label, time

    def _as_original(self, time: float, probabilities: np.ndarray) -> np.ndarray:
        old = probabilities if self._average is None else self._average
        self._average = self.rules.alpha * old + (1 - self.rules.alpha) * probabilities
        top = int(self._average.argmax())
        if self._kept is None or self._average[top] >= self._average[self._kept] + self.rules.delta:
            self._kept = top
        self._votes.append(self._kept)
        while len(self._votes) > self.rules.window:
            self._votes.popleft()
        counts = [self._votes.count(index) for index in range(N_CLASSES)]
        most = max(counts)
        self.label = counts.index(most) if most >= self.rules.minimum else None
        return self._average / self._average.sum()

    @property
    def name(self) -> str | None:
        """The label's name; None for uncertain."""
        return None if self.label is None else CLASSES[self.label]
