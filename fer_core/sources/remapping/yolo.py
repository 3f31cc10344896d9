"""A detection tree in YOLO format with the seven classes, for training a detector."""

import shutil
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.files import new_folder, write_json
from fer_core.base.labels import CLASSES, class_index
from fer_core.base.logs import progress_off
from fer_core.sources.families.affectnet import LabelledImage
from fer_core.sources.families.yolo import (
    NAMES,
    SPLITS,
    box_of,
    lines_of,
    pairs,
    top_of,
    usages,
)
from fer_core.sources.files.class_names import read_class_names
from fer_core.sources.files.tree import RawTree

__all__ = ["remap_yolo"]


def remap_yolo(tree: RawTree, out: Path) -> dict[str, Any]:
    """Write the tree anew: `data.yaml` names our seven classes in our order, lines of label files
    have these class ids, and lines of other classes are dropped.

    A photo whose every face is of another class is left out: without its lines a detector would
    learn that there is no face. A photo that had no face from the start stays.

    Args:
        tree: of a data set in YOLO format.
        out: folder to write; must not exist.

    Returns:
        What `remap.json` in it holds: old names, old name -> new class or null, and for each split
        the label lines kept and dropped, and the photos kept and left out.

    Raises:
        DataError: the folder is there already, or a file of the tree is missing or faulty.
    """
    if out.exists():
        raise DataError("The folder is there already.", where=out, remedy="name a new one")
    top = top_of(tree)
    names = read_class_names(tree, top + NAMES)
    counts: dict[str, dict[str, int]] = {}
    with new_folder(out) as folder:
        for usage in usages(tree, top):
            where = "val" if SPLITS[usage] == "val" else usage
            images, labels = folder / where / "images", folder / where / "labels"
            images.mkdir(parents=True)
            labels.mkdir()
            count = dict.fromkeys(
                ("lines_kept", "lines_dropped", "photos_kept", "photos_left_out"), 0
            )
            found = pairs(tree, top, usage)
            for pair in tqdm(found, desc=usage, leave=False, disable=progress_off()):
                kept, dropped = _remapped(tree, pair, names)
                count["lines_kept"] += len(kept)
                count["lines_dropped"] += dropped
                stays = bool(kept) or not dropped
                count["photos_kept" if stays else "photos_left_out"] += 1
                if stays:
                    _copy(tree, pair.image, images / pair.name)
                    text = "".join(f"{line}\n" for line in kept)
                    (labels / f"{Path(pair.name).stem}.txt").write_text(text, encoding="utf-8")
            counts[usage] = count
        present = [SPLITS[usage] for usage in counts]
        paths = {name: f"{name}/images" for name in present}
        head = {"path": ".", **paths, "nc": len(CLASSES), "names": list(CLASSES)}
        text = yaml.safe_dump(head, sort_keys=False, default_flow_style=None)
        (folder / NAMES).write_text(text, encoding="utf-8")
        told = {
            "old_names": names,
            "new_names": list(CLASSES),
            "mapping": {name: _class_of(name) for name in names},
            "splits": counts,
        }
        write_json(folder / "remap.json", told)
    return told


def _remapped(tree: RawTree, pair: LabelledImage, names: list[str]) -> tuple[list[str], int]:
    """Lines of a label file with our ids, and how many were dropped; columns of the box stay as
    they are written.
    """
    kept, dropped = [], 0
    for line in lines_of(tree, pair.label):
        name, _, _ = box_of(line, names)
        index = class_index(name)
        if index is None:
            dropped += 1
        else:
            kept.append(" ".join([str(index), *line.text.split()[1:]]))
    return kept, dropped


def _class_of(name: str) -> str | None:
    index = class_index(name)
    return None if index is None else CLASSES[index]


def _copy(tree: RawTree, name: str, to: Path) -> None:
    with tree.open(name) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target)
