"""What is missing or odd in a data set that is added: in the numbers of its label files, and in the
files that lie there.
"""

from collections.abc import Sequence
from pathlib import Path

from fer_core.base.labels import CLASSES
from fer_core.sources.adding.place import packed
from fer_core.sources.catalogue.faces import SPLITS, Announced
from fer_core.sources.catalogue.registry import UNLABELLED
from fer_core.sources.files.archives import archive_stem
from fer_core.sources.files.tree import RawTree

__all__ = ["faces_in", "lacking", "odd_counts", "odd_files", "others_in"]

_RATIO = 10  # shares of a class in train and test that differ by more are odd
_ENOUGH = 100  # labelled faces of a split before its shares say anything
_SHOWN = 5
_FEW = 8  # faces of a class that no four splits can be made of


def faces_in(counts: Announced) -> int:
    """Entries that can become faces: those of the seven classes, and unlabelled pictures."""
    return sum(
        count
        for words in counts.values()
        for word, count in words.items()
        if word in CLASSES or word == UNLABELLED
    )


def others_in(counts: Announced) -> list[str]:
    """Words that entries are counted under and that are no class, sorted."""
    return sorted({word for words in counts.values() for word in words} - {*CLASSES, UNLABELLED})


def lacking(counts: Announced) -> list[str]:
    """Classes of which a labelled data set has no face."""
    total = {name: sum(words.get(name, 0) for words in counts.values()) for name in CLASSES}
    return [name for name, count in total.items() if not count] if any(total.values()) else []


def odd_counts(counts: Announced) -> list[str]:
    """What is missing or odd in the numbers, each as a sentence without a full stop."""
    labelled = {
        split: {name: counts[split].get(name, 0) for name in CLASSES}
        for split in SPLITS
        if split in counts
    }
    labelled = {split: classes for split, classes in labelled.items() if any(classes.values())}
    found = []
    if unlabelled := sum(words.get(UNLABELLED, 0) for words in counts.values()):
        found.append(f"{unlabelled} pictures without labels: they are in no split and no set")
    total = {
        name: sum(classes[name] for classes in labelled.values())
        for name in CLASSES
        if any(classes[name] for classes in labelled.values())
    }
    if len(total) == 1:
        found.append(
            f"all faces are {next(iter(total))}: a network needs two classes at least, from this "
            "data set or another"
        )
    if few := {name: count for name, count in total.items() if count < _FEW}:
        found.append(
            f"few faces of {', '.join(f'{name} ({count})' for name, count in few.items())}: val, "
            "calib and test need some of each class too (validate.min_per_class)"
        )
    if nowhere := lacking(counts):
        found.append(f"no faces of {', '.join(nowhere)}")
    for split, classes in labelled.items():
        if missing := [
            name for name, count in classes.items() if not count and name not in nowhere
        ]:
            found.append(f"no faces of {', '.join(missing)} in {split}")
    if labelled.get("none"):
        found.append(f"{sum(labelled['none'].values())} faces have no split: no set takes them")
    if set(labelled) & {"val", "test"} and "train" not in labelled:
        found.append("no train split: it can only be evaluated (manifest.eval_only)")
    if "train" in labelled:
        if "test" not in labelled:
            found.append("no test split: manifest.missing_test_fraction can carve one from train")
        if "val" not in labelled:
            found.append("no val split: manifest.val_fraction carves one from train")
        found += _other_shares(labelled["train"], labelled.get("test", {}))
    if others := {
        word: sum(words.get(word, 0) for words in counts.values()) for word in others_in(counts)
    }:
        found.append(f"left out: {', '.join(f'{word} {count}' for word, count in others.items())}")
    return found


def _other_shares(train: dict[str, int], test: dict[str, int]) -> list[str]:
    """Classes that are much rarer or much more frequent in test than in train."""
    found: list[str] = []
    totals = sum(train.values()), sum(test.values())
    if min(totals) < _ENOUGH:
        return found
    for name in CLASSES:
        shares = train[name] / totals[0], test[name] / totals[1]
        if all(shares) and max(shares) > _RATIO * min(shares):
            found.append(
                f"{name} is {100 * shares[0]:.2g} % of train but {100 * shares[1]:.2g} % of test"
            )
    return found


def odd_files(place: Path, tree: RawTree, parts: Sequence[str]) -> list[str]:
    """Files that lie there and are not read, each as a sentence without a full stop.

    Args:
        place: where the tree is.
        tree: the data set.
        parts: what its reader reads.
    """
    found = []
    folders = [
        folder for folder in (place, *(place / name for name in tree.folders())) if folder.is_dir()
    ]
    for file in (file for folder in folders for file in sorted(folder.iterdir())):
        stem = archive_stem(file.name) if file.is_file() else None
        if stem is not None and (file.parent / stem).is_dir():
            found.append(
                f"{file.relative_to(place).as_posix()} lies beside the folder {stem} and is not "
                "read"
            )
    volumes = packed(tree)
    if volumes:
        found.append(f"not read, because they are packed: {_some(volumes)}")
    read = [part.lower() for part in parts]
    rest = [
        name
        for name in tree.names()
        if not any(
            part in ("", name.lower()) or part.startswith(f"{name.lower()}/") for part in read
        )
    ]
    if rest := [name for name in rest if name not in volumes]:
        found.append(f"not read: {_some(rest)}")
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
