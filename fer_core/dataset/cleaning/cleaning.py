"""From a descriptor to a face store: every image is decoded once, looked at, and recorded; nothing
is dropped without a word.
"""

import base64
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.files import sha256_bytes, sha256_file
from fer_core.base.logs import progress_off
from fer_core.base.params import parse_section
from fer_core.dataset.cleaning.nonfaces import non_face
from fer_core.dataset.store.imagehash import phash, pixel_sha256, thumbnail
from fer_core.dataset.store.store import StoreRow, write_store
from fer_core.pixels.damage import check_whole
from fer_core.pixels.decode import UndecodableImage, decode_rgb, decoded_bytes
from fer_core.pixels.parallel import DECODING, ordered_map
from fer_core.pixels.thumbnails import thumbnail_jpeg
from fer_core.sources.catalogue.descriptor import Descriptor, checked_tree, read_descriptor
from fer_core.sources.catalogue.faces import UNDECODABLE, Announced, Exclusion, Face, tally, word_of
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.catalogue.registry import reader_for
from fer_core.sources.files.subjects import person_in
from fer_core.sources.files.tree import RawTree, open_tree
from fer_core.sources.images.photos import as_usual_format

__all__ = ["CleanSummary", "clean", "examine"]

log = logging.getLogger(__name__)

FORGOTTEN = "forgotten (`fer data forget`)"
"""Reason of an exclusion that names nobody."""
_SHOWN = 20
_PICTURES = 16  # kept of each reason for an exclusion


@dataclass(frozen=True)
class CleanSummary:
    """What a run found: faces, exclusions by reason, flagged faces by flag, notes by text."""

    faces: int
    exclusions: dict[str, int]
    flags: dict[str, int]
    notes: dict[str, int]


@dataclass
class _Record:
    """What was read so far."""

    found: Announced = field(default_factory=dict)
    exclusions: list[Exclusion] = field(default_factory=list)
    pictures: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    flags: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def summary(self) -> CleanSummary:
        reasons = Counter(item.reason for item in self.exclusions)
        return CleanSummary(
            len(self.ids) - len(self.exclusions),
            _sorted(reasons),
            _sorted(self.flags),
            _sorted(self.notes),
        )


def clean(descriptor_file: Path, store: Path, options: CleanOptions, raw: Path) -> CleanSummary:
    """Read one data set and write its face store.

    Args:
        descriptor_file: `data/sources/<name>.json`.
        store: the file to write; left alone when anything raises.
        options: section `clean`.
        raw: folder that holds the raw data sets.

    Raises:
        DataError: the raw folder is missing or changed, a label list or image breaks its contract,
            more images than allowed cannot be decoded, a sample_id occurs twice, or faces and
            exclusions do not add up to what the label files list.
    """
    descriptor = read_descriptor(descriptor_file)
    reader = reader_for(descriptor.layout)
    record = _Record()
    meta: dict[str, Any] = {
        "source": descriptor.name,
        "layout": descriptor.layout,
        "adapter_version": reader.version,
    }
    meta |= {"descriptor_sha256": sha256_file(descriptor_file)}

    def complete() -> dict[str, Any]:
        exclusions = [
            {"sample_id": item.sample_id, "reason": item.reason, "detail": item.detail}
            for item in record.exclusions
        ]
        told = {"announced": announced, "exclusions": exclusions, "notes": _sorted(record.notes)}
        return {**meta, **told, "excluded_pictures": dict(sorted(record.pictures.items()))}

    if not descriptor.present:
        announced: Announced = {}
        write_store(store, [], complete)
        log.info("%s is absent: no faces", descriptor.name)
        return record.summary()
    with _files(descriptor, raw) as tree:
        announced = _in_order(reader.announce(tree, options, corrected=descriptor.corrected))
        items: Iterable[Face | Exclusion] = reader.scan(tree, descriptor.name, options)
        if descriptor.forgotten:
            items = _without(items, descriptor)
        if descriptor.group_pattern:
            items = _grouped(items, descriptor)
        if known := reader.subgroups(tree):
            items = _described(items, descriptor, known)
        write_store(store, _rows(items, announced, record, options, descriptor.name), complete)
    _report(descriptor.name, record.summary())
    return record.summary()


def examine(item: Face | Exclusion, max_pixels: int) -> tuple[Face | Exclusion, StoreRow | None]:
    """Decode a face and record what its pixels say; a face that cannot be decoded comes back as an
    exclusion.
    """
    if isinstance(item, Exclusion):
        return item, None
    with DECODING.hold(decoded_bytes(item.image)):
        return _decoded(item, max_pixels)


def _decoded(item: Face, max_pixels: int) -> tuple[Face | Exclusion, StoreRow | None]:
    try:
        data = as_usual_format(item.image, item.sample_id, max_pixels)
        image = decode_rgb(data, item.sample_id, max_pixels)
        check_whole(data, item.sample_id)
    except UndecodableImage as error:
        detail = f"{error.problem} {error.found}"
        return Exclusion(item.sample_id, UNDECODABLE, detail, item.split, word_of(item)), None
    small = thumbnail(image)
    top, left, bottom, right = item.box or (None, None, None, None)
    return item, StoreRow(
        sample_id=item.sample_id,
        image=data,
        label=item.label,
        split=item.split,
        usage=item.usage,
        group=item.group,
        pixel_sha256=pixel_sha256(image),
        phash=phash(small),
        thumbnail=small.tobytes(),
        width=image.shape[1],
        height=image.shape[0],
        confidence=item.confidence,
        votes=item.votes,
        orig_image=item.orig_image,
        face_id=item.face_id,
        bbox_top=top,
        bbox_left=left,
        bbox_bottom=bottom,
        bbox_right=right,
        flag=non_face(image),
        subgroups=item.subgroups,
    )


@contextmanager
def _files(descriptor: Descriptor, raw: Path) -> Iterator[RawTree]:
    """The files to read: the checked raw ones, or temporary ones with the rendered sample."""
    if descriptor.sample is None:
        yield checked_tree(descriptor, raw)
        return
    with TemporaryDirectory(prefix=f"fer-{descriptor.name}-") as temporary:
        # loaded here, and by name, because only embedded samples depend on it
        model = import_module("fer_core.sample.options").SampleOptions
        file = Path(f"data/sources/{descriptor.name}.json")
        options = parse_section("sample", descriptor.sample, model, file)
        import_module("fer_core.sample.render").render(descriptor.layout, Path(temporary), options)
        yield open_tree(Path(temporary))


def _without(
    items: Iterable[Face | Exclusion], descriptor: Descriptor
) -> Iterator[Face | Exclusion]:
    """The items; of a forgotten picture only that there was one, under no name."""
    for number, item in enumerate(items):
        if isinstance(item, Face) and sha256_bytes(item.image) in descriptor.forgotten:
            nameless = f"{descriptor.name}/forgotten/{number}"
            yield Exclusion(nameless, FORGOTTEN, "", item.split, word_of(item))
        else:
            yield item


def _grouped(
    items: Iterable[Face | Exclusion], descriptor: Descriptor
) -> Iterator[Face | Exclusion]:
    """The items, with faces in which the pattern finds a person in that person's group."""
    above = f"{descriptor.name}/"
    for item in items:
        person = person_in(item.sample_id.removeprefix(above), descriptor.group_pattern)
        yield (
            replace(item, group=f"{above}person/{person}")
            if person and isinstance(item, Face)
            else item
        )


def _described(
    items: Iterable[Face | Exclusion], descriptor: Descriptor, known: Mapping[str, str]
) -> Iterator[Face | Exclusion]:
    """The items, faces with the subgroups that the data set records for them."""
    above = f"{descriptor.name}/"
    for item in items:
        found = known.get(item.sample_id.removeprefix(above), "")
        yield replace(item, subgroups=found) if isinstance(item, Face) else item


def _rows(
    items: Iterable[Face | Exclusion],
    announced: Announced,
    record: _Record,
    options: CleanOptions,
    name: str,
) -> Iterator[StoreRow]:
    total = sum(sum(counts.values()) for counts in announced.values())
    examined = ordered_map(
        lambda item: examine(item, options.max_pixels),
        items,
        chunk=32,
        cost=lambda item: len(item.image) if isinstance(item, Face) else 0,
    )
    for item, row in tqdm(
        examined, total=total, desc=f"clean {name}", unit="img", leave=False, disable=progress_off()
    ):
        if item.sample_id in record.ids:
            raise DataError(
                "A sample_id occurs twice.",
                where=name,
                found=item.sample_id,
                remedy="remove one of the two entries",
            )
        record.ids.add(item.sample_id)
        tally(record.found, item.split, word_of(item))
        if isinstance(item, Exclusion):
            record.exclusions.append(replace(item, show=None))
            _keep_picture(record, item, options.max_pixels)
        elif item.note:
            record.notes[item.note] += 1
        if row is not None:
            if row.flag:
                record.flags[row.flag] += 1
            yield row
    _check_undecodable(record, options, name)
    _check_counts(announced, _in_order(record.found), name)


def _keep_picture(record: _Record, item: Exclusion, max_pixels: int) -> None:
    """Keep a thumbnail of one of the first exclusions of each reason; what cannot be shown is not:
    it is an example, no check.
    """
    kept = record.pictures.get(item.reason, [])
    if item.show is None or len(kept) >= _PICTURES:
        return
    try:
        small = thumbnail_jpeg(
            as_usual_format(item.show(), item.sample_id, max_pixels), item.sample_id, max_pixels
        )
    except DataError as error:
        log.debug("%s cannot be shown: %s", item.sample_id, error.problem)
        return
    picture = {"sample_id": item.sample_id, "jpeg": base64.b64encode(small).decode()}
    record.pictures.setdefault(item.reason, []).append(picture)


def _check_undecodable(record: _Record, options: CleanOptions, name: str) -> None:
    broken = [item for item in record.exclusions if item.reason == UNDECODABLE]
    for item in broken:
        log.warning("cannot be decoded: %s (%s)", item.sample_id, item.detail)
    if len(broken) > options.allow_undecodable:
        shown = [f"{item.sample_id}: {item.detail}" for item in broken[:_SHOWN]]
        more = [f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
        raise DataError(
            f"{len(broken)} images cannot be decoded.",
            where=name,
            found="\n    ".join(["", *shown, *more]),
            expected=f"at most {options.allow_undecodable}",
            remedy="correct or remove these files, or raise clean.allow_undecodable: they are then "
            "left out and listed",
        )


def _check_counts(announced: Announced, found: Announced, name: str) -> None:
    if announced != found:
        raise DataError(
            "Faces and exclusions do not add up to what the label files list.",
            where=name,
            found=found,
            expected=announced,
            remedy="the raw files changed while they were read: `fer data refresh` and run again",
        )


def _report(name: str, summary: CleanSummary) -> None:
    log.info("%s: %d faces", name, summary.faces)
    for what, counts in (
        ("excluded", summary.exclusions),
        ("flagged", summary.flags),
        ("noted", summary.notes),
    ):
        for reason, count in counts.items():
            log.info("%s: %s %d: %s", name, what, count, reason)


def _in_order(counts: Announced) -> Announced:
    return {split: _sorted(words) for split, words in sorted(counts.items())}


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
