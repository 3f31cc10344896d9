"""Adding, refreshing and removing raw data sets: the changes of their descriptors and links.

Descriptors (`data/sources/NAME.json`) are in git and hold no path of this machine; `links.py` says
how a folder is reached. Nothing here turns a data set that is there into one that is not, or into
another, unless it is forced.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fer_core.base.errors import DataError
from fer_core.pixels.picture_files import is_image
from fer_core.sources.adding.checks import (
    checked_pattern,
    part_of_collection,
    refuse_another_layout,
    refuse_without_faces,
    remarks_on,
)
from fer_core.sources.adding.links import COLLECTION, linked, own_links, reach
from fer_core.sources.adding.place import FoundSet, find_place, packed, still_packed
from fer_core.sources.catalogue.descriptor import (
    Descriptor,
    absent,
    read_descriptor,
    scanned,
    write_descriptor,
)
from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.official_counts import CorrectedCounts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.catalogue.registry import LAYOUTS, reader_for
from fer_core.sources.cropping.whole_photos import whole_photos
from fer_core.sources.files.tree import open_tree

__all__ = ["LICENCE", "Added", "Descriptors", "Wishes", "listed_sources"]

_NAME = re.compile(r"[a-z0-9_]{1,100}")
LICENCE = "State the terms of this data set here."
"""Terms of a data set for which nobody has said any."""


@dataclass(frozen=True)
class Added:
    """What was added or read again.

    Attributes:
        before: the descriptor until now.
        after: the descriptor as it was written.
        found: where the data set really lies.
        place: how it is reached from the raw folder.
        counts: entries of its label files.
        remarks: what the user should know of them.
        gone: links that led elsewhere before.
    """

    before: Descriptor
    after: Descriptor
    found: Path
    place: FoundSet
    counts: Announced
    remarks: list[str]
    gone: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Wishes:
    """What a user may say of a data set that is added.

    Attributes:
        layout: read it as this one; None recognises it.
        licence: its terms; None keeps those that are known.
        group_pattern: finds the person in a picture's path; None keeps the one that is known.
        force: also where a data set becomes another one, has no face, or has other class counts
            than the official ones.
    """

    layout: str | None = None
    licence: str | None = None
    group_pattern: str | None = None
    force: bool = False


def listed_sources(params: dict[str, Any]) -> list[str]:
    """The data sets that `manifest.sources` lists; only these are stages of the pipeline.

    Args:
        params: of params.yaml, which may be faulty.
    """
    manifest = params.get("manifest")
    sources = manifest.get("sources") if isinstance(manifest, dict) else None
    return [str(name) for name in sources] if isinstance(sources, list) else []


@dataclass(frozen=True)
class Descriptors:
    """The folder of descriptors.

    Attributes:
        folder: theirs.
        raw: the raw folder.
        options: section `clean`.
    """

    folder: Path
    raw: Path
    options: CleanOptions

    def file(self, name: str) -> Path:
        """The descriptor's file of a data set."""
        return self.folder / f"{name}.json"

    def add(self, name: str, path: Path, wishes: Wishes) -> Added:
        """Add the data set `name` that lies at `path`: check its layout, count its faces, link it
        and write its descriptor.

        Raises:
            DataError: there is no data set, or another one than the descriptor says.
        """
        before = self._known(name) or self._new(name)
        layout, force = wishes.layout, wishes.force
        if layout is not None and layout not in LAYOUTS:
            raise DataError(
                "Unknown layout.",
                where="--layout",
                found=layout,
                expected=", ".join(LAYOUTS),
                remedy="name one of them, or leave --layout out: the layout is recognised",
            )
        pattern = checked_pattern(wishes.group_pattern, before.group_pattern)
        place = find_place(path, before.layout or None, layout)
        if name == COLLECTION:
            place = part_of_collection(place, self.raw)
        counts, corrected = self._announced(name, place, force)
        refuse_another_layout(before, place, force or (layout is not None and not before.present))
        refuse_without_faces(counts, place.path, force)
        photos = whole_photos(name, place.tree, reader_for(place.layout), self.options)
        found, reached = place.path, reach(name, place.path, self.raw)
        with linked(name, reached, self.raw) as gone:
            before = replace(before, licence=wishes.licence or before.licence or LICENCE)
            after = scanned(before, self.raw, place.layout, reached.root)
            gone_for_good = {hash for one in self._all() for hash in one.forgotten}
            after = replace(after, forgotten=tuple(sorted(gone_for_good)))
            after = replace(after, group_pattern=pattern, corrected=corrected)
            if name == COLLECTION:
                whole = self.raw / reached.root
                place = replace(place, path=whole, tree=open_tree(whole))
                counts = reader_for(place.layout).announce(place.tree, self.options)
            remarks = [*photos, *remarks_on(place, after, self.options)]
            write_descriptor(self.folder, after)
        return Added(before, after, found, place, counts, remarks, gone)

    def refresh(self, before: Descriptor) -> Added:
        """Take the raw files of a present data set as they are now, and rewrite its descriptor.

        Raises:
            DataError: as `add`.
        """
        assert before.root is not None, before.name
        after = scanned(before, self.raw, before.layout, before.root)
        path = self.raw / before.root
        tree = open_tree(path)
        place = FoundSet(tree.place, tree, before.layout)
        counts, _ = self._announced(before.name, place, before.corrected)
        refuse_without_faces(counts, path, force=False)
        write_descriptor(self.folder, after)
        return Added(before, after, path, place, counts, remarks_on(place, after, self.options))

    def present(self, name: str | None = None) -> list[Descriptor]:
        """The real data sets that are present, or the one of this name.

        Raises:
            DataError: that one is absent, unknown or a sample.
        """
        if name is None:
            return [one for one in self._all() if one.present and one.sample is None]
        before = self.real(name)
        if not before.present:
            raise DataError(
                "This data set is absent: there is nothing to refresh.",
                where=self.file(name),
                remedy=f"`fer data add {name} PATH`",
            )
        return [before]

    def remove(self, before: Descriptor) -> list[Path]:
        """Write that a data set is absent and remove the links that `add` made: these are returned.
        Raw files are never touched.
        """
        links = own_links(before.name, self.raw)
        for link in links:
            link.unlink()
        write_descriptor(self.folder, absent(before))
        return links

    def losses(self, before: Descriptor, clean: Path, listed: bool) -> list[str]:
        """What `remove` would take away from a present data set.

        Args:
            clean: folder of the face stores.
            listed: whether `manifest.sources` lists it.
        """
        files = before.tree.files if before.tree else 0
        found = [
            f"{self.file(before.name)}: layout {before.layout}, root {before.root}, {files} files",
            *(f"the link {link}" for link in own_links(before.name, self.raw)),
        ]
        if (store := clean / f"{before.name}.arrow").exists():
            found.append(
                f"its faces: the next run empties {store}, and what was made of them is made again "
                "without"
            )
        if listed:
            found.append(
                "manifest.sources lists it: the manifest stage fails until it is taken off"
            )
        return found

    def _announced(self, name: str, place: FoundSet, corrected: bool) -> tuple[Announced, bool]:
        """Count the entries of the label files and read the first of them, so that missing pictures
        show now.

        Args:
            corrected: take class counts that are not the official ones.

        Returns:
            The counts, and whether they are of that kind.

        Raises:
            DataError: a faulty label list, missing pictures, or pictures that are still packed.
        """
        reader = reader_for(place.layout)
        official = True
        try:
            counts = reader.announce(place.tree, self.options)
        except CorrectedCounts:
            if not corrected:
                raise
            official = False
            counts = reader.announce(place.tree, self.options, corrected=True)
        try:
            next(iter(reader.scan(place.tree, name, self.options)), None)
        except DataError as error:
            if packed(place.tree) and not any(is_image(path) for path in place.tree.walk()):
                raise still_packed(place.tree) from error
            raise
        return counts, not official

    def _known(self, name: str) -> Descriptor | None:
        """The descriptor of a data set that is no embedded sample, or None where there is none.

        Raises:
            DataError: it is a sample, or the descriptor is faulty.
        """
        if not _NAME.fullmatch(name) or not self.file(name).is_file():
            return None
        descriptor = read_descriptor(self.file(name))
        if descriptor.sample is not None:
            raise DataError(
                "An embedded sample can neither be added nor removed.",
                where=self.file(name),
                expected=self._names(),
                remedy="choose another name; to leave the sample out, take it off manifest.sources",
            )
        return descriptor

    def _new(self, name: str) -> Descriptor:
        """A descriptor for a data set that is not known yet.

        Raises:
            DataError: no name for a data set, or this is not the project's root.
        """
        if not _NAME.fullmatch(name):
            raise DataError(
                "This is no name for a data set.",
                found=name[:200],
                expected="at most 100 small letters, digits and _",
                remedy=f"known ones are {self._names()}",
            )
        if not self.folder.is_dir():
            raise DataError(
                "There is no folder of descriptors.",
                where=self.folder.absolute(),
                remedy="run from the project's root",
            )
        return Descriptor(name, name if name in LAYOUTS else "", False)

    def real(self, name: str) -> Descriptor:
        """The descriptor of a known data set that is no embedded sample.

        Raises:
            DataError: unknown, or a sample.
        """
        descriptor = self._known(name)
        if descriptor is None:
            raise DataError(
                "There is no such data set.",
                where=self.folder,
                found=name,
                expected=self._names(),
                remedy="run from the project's root",
            )
        return descriptor

    def _names(self) -> str:
        return ", ".join(descriptor.name for descriptor in self._all() if descriptor.sample is None)

    def _all(self) -> list[Descriptor]:
        return [read_descriptor(file) for file in sorted(self.folder.glob("*.json"))]
