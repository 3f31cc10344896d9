"""Taking a person's faces out of data sets for good.

What remains in a descriptor is the hash of each picture: the next run leaves them out, under
whatever name and in whatever data set they are added again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.files import sha256_bytes
from fer_core.base.logs import progress_off
from fer_core.sources.adding.changes import Descriptors
from fer_core.sources.catalogue.descriptor import Descriptor, checked_tree, write_descriptor
from fer_core.sources.catalogue.faces import Face
from fer_core.sources.catalogue.registry import reader_for
from fer_core.sources.files.subjects import person_in

__all__ = ["Forgotten", "forget"]


@dataclass(frozen=True)
class Forgotten:
    """What was taken out of one data set.

    Attributes:
        name: of the data set.
        sample_ids: of the faces.
        files: their pictures, where these are files; they lie there still.
    """

    name: str
    sample_ids: tuple[str, ...]
    files: tuple[Path, ...]


def forget(sets: Descriptors, who: Sequence[str], name: str | None = None) -> list[Forgotten]:
    """Write into the descriptors that nothing may be made of some pictures.

    Args:
        sets: the descriptors.
        who: persons, as a table of subjects or the group pattern names them, or pictures: a
            sample_id, or a path on this machine or in a data set.
        name: of the data set to look in; None for all that are present.

    Raises:
        DataError: nobody and nothing of one of these names is there; then nothing is written.
    """
    wanted = {one: _names_of(one) for one in who}
    hit: set[str] = set()
    changed: list[tuple[Descriptor, Forgotten]] = []
    for descriptor in sets.present(name):
        faces: dict[str, str] = {}
        tree = checked_tree(descriptor, sets.raw)
        scanned = reader_for(descriptor.layout).scan(tree, descriptor.name, sets.options)
        for face in tqdm(scanned, desc=descriptor.name, leave=False, disable=progress_off()):
            if isinstance(face, Face):
                known = set(_names(face, descriptor, tree.place))
                if found := {one for one, names in wanted.items() if names & known}:
                    hit |= found
                    faces[face.sample_id] = sha256_bytes(face.image)
        if faces:
            hashes = tuple(sorted({*descriptor.forgotten, *faces.values()}))
            paths = [tree.place / one.removeprefix(f"{descriptor.name}/") for one in faces]
            files = tuple(path for path in paths if path.is_file())
            gone = Forgotten(descriptor.name, tuple(faces), files)
            changed.append((replace(descriptor, forgotten=hashes), gone))
    if missing := [one for one in who if one not in hit]:
        raise DataError(
            "No face is of this person or picture; nothing was changed.",
            where=sets.folder,
            found=", ".join(missing),
            expected="a name of subjects.csv or of the group pattern, a sample_id, or a path",
            remedy="`fer data list` says which data sets are here; data that were removed are "
            "forgotten once they are added again",
        )
    for descriptor, _ in changed:
        write_descriptor(sets.folder, descriptor)
    return [gone for _, gone in changed]


def _names_of(given: str) -> set[str]:
    """What a user may mean: the words themselves, or a file of this machine."""
    path = Path(given).expanduser()
    return {given, *([str(path.resolve())] if path.exists() else [])}


def _names(face: Face, descriptor: Descriptor, place: Path) -> Iterator[str]:
    """Everything that a face goes by."""
    key = face.sample_id.removeprefix(f"{descriptor.name}/")
    yield face.sample_id
    yield key
    yield str((place / key).resolve())
    if descriptor.group_pattern and (person := person_in(key, descriptor.group_pattern)):
        yield person
    if face.group != face.sample_id:
        yield face.group.rpartition("/")[2]
