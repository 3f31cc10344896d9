"""RAF-DB, compound subset: the same list as the basic one, with ids 1 to 11 for two emotions at
once.

Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", 2017. `clean.rafdb_compound.mapping` says which of the seven classes each
id becomes. Pictures lie as in the basic set.
"""

from collections.abc import Iterator

from fer_core.base.labels import INDEX, UNLABELLED
from fer_core.sources.catalogue.options import EXCLUDE, CleanOptions
from fer_core.sources.families.raf import RafReader, identifiers, list_places, read_list
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry

__all__ = ["NAMES", "READER"]

NAMES = (
    "Happily Surprised",
    "Happily Disgusted",
    "Sadly Fearful",
    "Sadly Angry",
    "Sadly Surprised",
    "Sadly Disgusted",
    "Fearfully Angry",
    "Fearfully Surprised",
    "Angrily Surprised",
    "Angrily Disgusted",
    "Disgustedly Surprised",
)
"""Of the ids 1 to 11."""

_IDS = {str(number): number for number in range(1, len(NAMES) + 1)}
_BASIC = set(range(1, 8))


class _RafdbCompound(RafReader):
    layout = "rafdb_compound"
    places = list_places("compound")

    def recognise(self, tree: RawTree) -> bool:
        labels = self.labels_in(tree)
        return labels is not None and (
            labels.startswith("compound/")
            or max(identifiers(tree, labels), default=0) > max(_BASIC)
        )

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        remedy = "correct the line, or fetch the label file again"
        listed = list(read_list(tree, self.files(tree)[0], _IDS, remedy))
        if {number for *_, number in listed} == _BASIC:
            raise next(line for line, _, _, number in listed if number == max(_BASIC)).error(
                "This is the list of the basic set: its ids are 1 to 7.",
                "ids of the compound set, 1 to 11",
                "give the folder of the compound set, or `fer data add rafdb_basic PATH` for "
                "this one",
            )
        for line, name, split, number in listed:
            compound, target = NAMES[number - 1], options.rafdb_compound.mapping[number]
            left_out = target == EXCLUDE
            yield Entry(
                key=name,
                split=split,
                usage=split,
                label=UNLABELLED if left_out else INDEX[target],
                word=compound if left_out else target,
                official=compound,
                reason="RAF-DB compound: emotion excluded by the mapping" if left_out else "",
                detail=compound,
                line=line,
            )


READER = _RafdbCompound()
