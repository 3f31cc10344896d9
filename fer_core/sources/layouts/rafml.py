"""RAF-ML: `EmoLabel/distribution.txt` with six shares for each picture,
`EmoLabel/partition_label.txt` with its split.

Li and Deng, "Blended emotion in-the-wild: multi-label facial expression recognition using
crowdsourced annotations and deep locality feature learning", 2019. The label is the largest share,
the first of equals; all shares are kept as votes. There is no Neutral. In the partition 1 means
test. Pictures lie as in RAF-DB.
"""

import math
from collections.abc import Iterator

from fer_core.base.labels import CLASSES, INDEX
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.raf import RafReader
from fer_core.sources.files.label_files import Line, Listed, find_file, read_lines
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry

__all__ = ["EMOTIONS", "READER"]

EMOTIONS = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry")
"""Order of the shares in a line."""

_PARTITION = "partition_label.txt"
_TEST = "1"
_TOLERANCE = 0.02  # of the sum of the shares: they are rounded


class _Rafml(RafReader):
    layout = "rafml"
    places = [f"{top}EmoLabel/distribution.txt" for top in ("", "RAF-ML/")]  # noqa: RUF012

    def recognise(self, tree: RawTree) -> bool:
        return self.labels_in(tree) is not None

    def files(self, tree: RawTree) -> list[str]:
        shares = find_file(tree, self.places, "RAF-ML distribution list")
        partition = f"{shares.rpartition('/')[0]}/{_PARTITION}"
        find_file(tree, [partition], "RAF-ML partition list")
        return [partition, *super().files(tree)]

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        partition, shares, *_ = self.files(tree)
        meaning = f"file name and six shares: {', '.join(EMOTIONS)}"
        listed = _by_name(tree, shares, 1 + len(EMOTIONS), meaning)
        flags = _flags(tree, partition)
        for name, (line, _) in {**flags, **listed}.items():
            if name not in flags or name not in listed:
                other = _PARTITION if name in listed else "distribution.txt"
                raise line.error(f"A file is not in {other}.", "each file once in both lists")
        for name, (line, columns) in listed.items():
            numbers = _shares(columns, line)
            votes = dict(zip(EMOTIONS, numbers, strict=True))
            flag = flags[name][1]
            yield Entry(
                key=name,
                split="test" if flag == _TEST else "train",
                usage=flag,
                label=INDEX[EMOTIONS[numbers.index(max(numbers))]],
                votes=tuple(votes.get(word, 0.0) for word in CLASSES),
                line=line,
            )


def _by_name(
    tree: RawTree, labels: str, width: int, meaning: str
) -> dict[str, tuple[Line, list[str]]]:
    """Line and further columns of each file of a list.

    Raises:
        DataError: wrong number of columns, a path that leaves the data set, a name listed twice.
    """
    found: dict[str, tuple[Line, list[str]]] = {}
    listed = Listed("A file")
    for line in read_lines(tree, labels):
        name, *columns = line.words(width, meaning)
        listed.add(line.path(name), line)
        found[name] = (line, columns)
    return found


def _flags(tree: RawTree, partition: str) -> dict[str, tuple[Line, str]]:
    """Line and flag of each file of the partition.

    Raises:
        DataError: as `_by_name`; a flag that is no whole number, or a third kind of flag, whose
            meaning is not known.
    """
    flags: dict[str, tuple[Line, str]] = {}
    kinds = {_TEST}
    for name, (line, (flag,)) in _by_name(tree, partition, 2, "file name and partition").items():
        expected = "1 for test, another number for train"
        if flag.isascii() and flag.isdigit():
            expected = f"two kinds, {' and '.join(sorted(kinds))}, as in the lines above"
            kinds.add(flag)
        if flag not in kinds or len(kinds) > 2:
            raise line.error(f"Unknown partition {flag!r}.", expected)
        flags[name] = (line, flag)
    return flags


def _shares(columns: list[str], line: Line) -> list[float]:
    """The six numbers of a line.

    Raises:
        DataError: no numbers, or not finite, below 0 or with another sum than 1.
    """
    try:
        numbers = [float(text) for text in columns]
    except ValueError as error:
        raise line.error("A share is not a number.", "six numbers that add up to 1") from error
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise line.error("A share is out of range.", "finite numbers of 0 or more")
    total = sum(numbers)
    if abs(total - 1) > _TOLERANCE + 1e-9:
        raise line.error(f"The shares add up to {total:g}.", f"1, give or take {_TOLERANCE}")
    return numbers


READER = _Rafml()
