"""From faces to answers, a bounded number of bytes at a time."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fer_cli.predict.faces import FoundFace
from fer_cli.predict.output import Answer
from fer_core.base.labels import CLASSES
from fer_core.predict.predictor import Predictor

__all__ = ["Answering"]

_MOST_BYTES = 32_000_000  # of prepared faces in one call; the network's own use is some times that
_NOT_FINITE = "the network gives no finite answer"


@dataclass
class Answering:
    """How faces are answered.

    Args:
        predictor: the network.
        batch: faces in one call, if their bytes allow.
        threshold: least confidence of a label.
        top: most probable classes to name.

    Attributes:
        unsound: faces so far for which the network gave no finite answer.
    """

    predictor: Predictor
    batch: int
    threshold: float
    top: int
    unsound: int = 0

    def all(self, faces: Iterable[FoundFace]) -> Iterator[Answer]:
        """An answer for each face, in their order."""
        size = self.predictor.metadata.preprocessing.size
        most = max(1, min(self.batch, _MOST_BYTES // (3 * size * size)))
        rest = iter(faces)
        while group := list(itertools.islice(rest, most)):
            yield from self.of(group)

    def of(self, faces: Sequence[FoundFace]) -> list[Answer]:
        """The answers for some faces, from one call of the network."""
        pixels = [face.pixels for face in faces if face.pixels is not None]
        found = self.predictor.run(np.stack(pixels)) if pixels else self.predictor.predict([])
        finite = found.finite
        sound = found.of(finite)
        answers = zip(
            sound.decide(self.threshold),
            sound.confidence,
            sound.probabilities,
            sound.top(self.top),
            strict=True,
        )
        fates = iter(finite)
        written = []
        for face in faces:
            answer = partial(Answer, str(face.file), frame=face.frame, time=face.time)
            if face.pixels is None:
                written.append(answer(error=face.error))
                continue
            if not next(fates):
                self.unsound += 1
                written.append(answer(face=face.number, box=face.box, error=_NOT_FINITE))
                continue
            label, confidence, row, best = next(answers)
            probabilities = {
                name: round(float(value), 6) for name, value in zip(CLASSES, row, strict=True)
            }
            written.append(
                answer(
                    face=face.number,
                    box=face.box,
                    label=label,
                    confidence=round(float(confidence), 6),
                    top=[(name, probabilities[name]) for name, _ in best],
                    probabilities=probabilities,
                )
            )
        return written
