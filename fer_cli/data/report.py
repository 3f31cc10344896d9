"""What `fer data` shows: faces per class and split, what is missing or odd, what to do next, and
the state of each data set.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_core.base.errors import DataError, FerError
from fer_core.base.files import sha256_file
from fer_core.base.labels import CLASSES
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.sources.adding.place import packed
from fer_core.sources.catalogue.descriptor import Descriptor, checked_tree, read_descriptor
from fer_core.sources.catalogue.faces import SPLITS, Announced
from fer_core.sources.files.archives import archive_stem
from fer_core.sources.files.tree import RawTree

__all__ = [
    "counts_table",
    "faces_in",
    "list_line",
    "listed_in",
    "next_steps",
    "odd_counts",
    "odd_files",
    "size",
    "sources_listed",
]

UNLABELLED = "unlabelled"

_RATIO = 10  # shares of a class in train and test that differ by more are odd
_ENOUGH = 100  # labelled faces of a split before its shares say anything
_SHOWN = 5


def faces_in(counts: Announced) -> int:
    """Entries that can become faces: those of the seven classes, and unlabelled pictures."""
    return sum(
        count
        for words in counts.values()
        for word, count in words.items()
        if word in CLASSES or word == UNLABELLED
    )


def counts_table(counts: Announced) -> list[str]:
    """Lines of a table: classes and what is none of them, by split."""
    splits = [split for split in SPLITS if split in counts]
    others = _others(counts)
    lines = [" ".join([f"{'':24}", *(f"{split:>8}" for split in splits)])]
    for word in [
        *CLASSES,
        *([UNLABELLED] if any(UNLABELLED in words for words in counts.values()) else []),
        *others,
    ]:
        label = f"{word} (left out)" if word in others else word
        lines.append(
            " ".join([f"{label:24}", *(f"{counts[split].get(word, 0):8}" for split in splits)])
        )
    lines.append(
        " ".join([f"{'total':24}", *(f"{sum(counts[split].values()):8}" for split in splits)])
    )
    return lines


def odd_counts(counts: Announced) -> list[str]:
    """What the numbers lack or what stands out in them, each as a sentence without a full stop."""
    labelled = {
        split: {name: counts[split].get(name, 0) for name in CLASSES}
        for split in SPLITS
        if split in counts
    }
    labelled = {split: classes for split, classes in labelled.items() if any(classes.values())}
    found = []
    if unlabelled := sum(words.get(UNLABELLED, 0) for words in counts.values()):
        found.append(f"{unlabelled} pictures without labels: they are in no split and no set")
    if nowhere := [
        name
        for name in CLASSES
        if labelled and not any(classes[name] for classes in labelled.values())
    ]:
        found.append(f"no faces of {', '.join(nowhere)}")
    for split, classes in labelled.items():
        if lacking := [
            name for name, count in classes.items() if not count and name not in nowhere
        ]:
            found.append(f"no faces of {', '.join(lacking)} in {split}")
    if labelled.get("none"):
        found.append(f"{sum(labelled['none'].values())} faces have no split: no set takes them")
    if set(labelled) & {"val", "test"} and "train" not in labelled:
        found.append("no train split: it can only be evaluated (manifest.eval_only)")
    if "train" in labelled:
        if "test" not in labelled:
            found.append("no test split: manifest.test_fraction can carve one from train")
        if "val" not in labelled:
            found.append("no val split: manifest.val_fraction carves one from train")
        found += _other_shares(labelled["train"], labelled.get("test", {}))
    if others := {
        word: sum(words.get(word, 0) for words in counts.values()) for word in _others(counts)
    }:
        found.append(f"left out: {', '.join(f'{word} {count}' for word, count in others.items())}")
    return found


def _others(counts: Announced) -> list[str]:
    return sorted({word for words in counts.values() for word in words} - {*CLASSES, UNLABELLED})


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
        found.append(f"not read, for they are packed: {_some(volumes)}")
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


def sources_listed() -> list[str]:
    """The data sets that `manifest.sources` of params.yaml lists; only these are stages of the
    pipeline.

    Raises:
        ParamsError: there is no readable params.yaml.
    """
    return listed_in(read_params())


def listed_in(params: dict[str, Any]) -> list[str]:
    """The same of params that were read already and may be faulty."""
    manifest = params.get("manifest")
    sources = manifest.get("sources") if isinstance(manifest, dict) else None
    return [str(name) for name in sources] if isinstance(sources, list) else []


def next_steps(name: str, listed: bool) -> list[str]:
    """What to do after a data set was added, as numbered lines."""
    steps = ["`fer dag sync`", "`fer run`"]
    if listed:
        head = f"manifest.sources of {PARAMS_FILE} lists {name} already. Next:"
    else:
        head = (
            f"manifest.sources of {PARAMS_FILE} does not list {name}: no stage reads it yet. Next:"
        )
        steps.insert(
            0,
            f"add {name} to manifest.sources in {PARAMS_FILE}, before those that it is preferred "
            "to",
        )
    return [head, *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]


def size(descriptor: Descriptor) -> str:
    """Files and megabytes of a present data set."""
    return (
        f"{descriptor.tree.files} files, {descriptor.tree.bytes / 1e6:.1f} MB"
        if descriptor.tree
        else "no files"
    )


def list_line(file: Path, raw: Path, clean: Path, listed: bool) -> str:
    """One line of `fer data list`.

    Args:
        file: the data set's descriptor.
        raw: the raw folder.
        clean: folder of the face stores.
        listed: whether manifest.sources lists it.
    """
    try:
        descriptor = read_descriptor(file)
    except DataError as error:
        layout, state, remark = "?", "FAULTY", f"{error.problem} {error.found}"
    else:
        layout, (state, remark) = descriptor.layout, _state(descriptor, raw)
    faces, stale = _faces(clean / f"{file.stem}.arrow", file)
    remark = "; ".join(text for text in (remark, stale) if text)
    return (
        f"{file.stem:24} {layout:15} {state:16} {faces:>9}  {'yes' if listed else 'no':7} "
        f"{remark}".rstrip()
    )


def _state(descriptor: Descriptor, raw: Path) -> tuple[str, str]:
    if descriptor.sample is not None:
        return "embedded sample", ""
    if not descriptor.present or descriptor.root is None:
        return "absent", f"`fer data add {descriptor.name} PATH`"
    try:
        checked_tree(descriptor, raw)
    except DataError as error:
        return "NOT USABLE HERE", error.problem
    return "present", f"{size(descriptor)}, at {descriptor.root}"


def _faces(store: Path, descriptor_file: Path) -> tuple[str, str]:
    """Number of cleaned faces, "-" where there is no face store; and a remark."""
    if not store.exists():
        return "-", ""
    from fer_core.dataset.store.store import FaceStore

    try:
        opened = FaceStore.open(store)
    except FerError as error:
        return "?", f"{store}: {error.problem}"
    stale = opened.meta.get("descriptor_sha256") != sha256_file(descriptor_file)
    return str(len(opened)), "faces of an earlier descriptor: `fer run`" if stale else ""
