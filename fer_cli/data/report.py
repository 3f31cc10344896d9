"""What `fer data` shows: faces per class and split, what to do next, and the state of each data
set.
"""

from pathlib import Path

from fer_core.base.errors import DataError, FerError
from fer_core.base.files import sha256_file
from fer_core.base.labels import CLASSES
from fer_core.base.params import PARAMS_FILE
from fer_core.sources.adding.findings import others_in
from fer_core.sources.catalogue.descriptor import Descriptor, checked_tree, read_descriptor
from fer_core.sources.catalogue.faces import SPLITS, Announced
from fer_core.sources.catalogue.registry import UNLABELLED

__all__ = ["counts_table", "list_line", "next_steps", "size"]


def counts_table(counts: Announced) -> list[str]:
    """Lines of a table: classes and what is none of them, by split."""
    splits = [split for split in SPLITS if split in counts]
    others = others_in(counts)
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
