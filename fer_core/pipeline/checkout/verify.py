"""Everything that the pipeline made, read again and compared: with dvc.lock, with the artifacts'
own headers, and with DVC's cache.

DVC trusts a file whose time and size did not change, and a remote whose names are right. Here every
byte is read.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fer_core.base.artifact import HEADER_FILE, Header, open_artifact, read_values
from fer_core.base.errors import ArtifactError, FerError
from fer_core.base.logs import progress_off
from fer_core.base.reading import read_yaml
from fer_core.dataset.store.store import FaceStore

__all__ = ["Damage", "verify_outs"]

LOCK = Path("dvc.lock")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Out:
    """One out of a stage, as dvc.lock records it.

    Attributes:
        stage: that made it.
        path: relative to the project.
        md5: of the file; of a folder, of the list of its files, with ".dir".
        size: bytes in all.
        cached: whether DVC keeps a copy.
    """

    stage: str
    path: Path
    md5: str
    size: int
    cached: bool


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was recorded.

    Attributes:
        where: the file.
        what: what is wrong.
        remedy: what to do.
    """

    where: Path
    what: str
    remedy: str


def verify_outs(cache: Path, deep: bool = False, lock: Path = LOCK) -> Iterator[Damage]:
    """Compare the outs of all stages with what was recorded of them. What dvc.lock records of
    stages that the pipeline no longer has is nobody's.

    Args:
        cache: folder of DVC's cache.
        deep: compare headers and every batch of face stores too, and the copies in the cache.
        lock: dvc.lock.

    Raises:
        ArtifactError: dvc.lock is missing or cannot be read.
    """
    outs = _outs(lock)
    total = sum(out.size for out in outs) * (2 if deep else 1)
    with tqdm(total=total, desc="verify", unit="B", unit_scale=True, disable=progress_off()) as bar:
        for out in outs:
            yield from _against_lock(out, cache, bar)
            if deep:
                yield from _against_itself(out)
                yield from _in_cache(out, cache, bar)


def _outs(lock: Path) -> list[Out]:
    recorded = read_yaml(lock, "lock file", "run `fer run`", ArtifactError).get("stages", {})
    known = _stages(lock.with_name("dvc.yaml"))
    stages = {name: body for name, body in recorded.items() if name in known}
    return [
        Out(stage, Path(out["path"]), out["md5"], out.get("size", 0), not _in_git(out["path"]))
        for stage, body in stages.items()
        for out in body.get("outs", [])
    ]


def _stages(file: Path) -> set[str]:
    """Names of the pipeline's stages, as dvc.lock has them."""
    found = set()
    for name, body in (read_yaml(file, "pipeline").get("stages") or {}).items():
        keys = body.get("foreach")
        found |= {name} if keys is None else {f"{name}@{key}" for key in keys}
    return found


def _in_git(path: str) -> bool:
    """Metrics and plots are kept by git, not by DVC's cache."""
    return path.split("/")[0] in ("metrics", "plots")


def _against_lock(out: Out, cache: Path, bar: Any) -> Iterator[Damage]:
    remedy = f"`dvc checkout {out.path}`, or `fer run {out.stage}` to make it again"
    if not out.path.exists():
        yield Damage(out.path, "is missing", remedy)
        return
    found, files = _md5_of(out.path, bar)
    if found == out.md5:
        return
    recorded = _listing(out, cache)
    named = False
    for name in sorted(recorded.keys() | files.keys()) if recorded else ():
        if recorded.get(name) != files.get(name):
            what = (
                "is missing"
                if name not in files
                else "was added"
                if name not in recorded
                else "was changed"
            )
            named = True
            yield Damage(out.path / name, what, remedy)
    if not named:
        yield Damage(out.path, f"was changed: md5 {found}, recorded {out.md5}", remedy)


def _against_itself(out: Out) -> Iterator[Damage]:
    """What headers say of their artifacts."""
    remedy = f"`fer run {out.stage}` to make it again"
    if out.path.suffix == ".arrow":
        try:
            store = FaceStore.open(out.path)
            for _ in store.images():
                pass
        except FerError as error:
            yield Damage(out.path, error.problem, remedy)
    for file in sorted(out.path.rglob(HEADER_FILE)) if out.path.is_dir() else ():
        try:
            open_artifact(file.parent, read_values(file, Header).kind)
        except FerError as error:
            yield Damage(Path(str(error.where)), error.problem, remedy)


def _in_cache(out: Out, cache: Path, bar: Any) -> Iterator[Damage]:
    """The copies that other checkouts and `dvc push` take."""
    if not out.cached:
        return
    objects = {out.md5, *_listing(out, cache).values()}
    for md5 in sorted(objects):
        copy = _object(cache, md5)
        if not copy.exists():
            continue
        found = _md5(copy, bar)
        if found != md5.removesuffix(".dir"):
            yield Damage(
                copy,
                f"this copy of {out.path} in DVC's cache was changed",
                f"delete it, then `fer run {out.stage}`; or `dvc pull` from a remote with `verify`",
            )


def _listing(out: Out, cache: Path) -> dict[str, str]:
    """Name -> md5 of the files in a folder as recorded; empty where DVC's cache lacks the list."""
    file = _object(cache, out.md5)
    if not out.md5.endswith(".dir") or not file.exists():
        return {}
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(file.read_bytes())}
    except (ValueError, TypeError, KeyError):
        return {}


def _object(cache: Path, md5: str) -> Path:
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def _md5_of(path: Path, bar: Any) -> tuple[str, dict[str, str]]:
    """DVC's hash of a file or folder, and the hashes of a folder's files by name."""
    if path.is_file():
        return _md5(path, bar), {}
    files = {
        file.relative_to(path).as_posix(): _md5(file, bar)
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
    listing = [
        {"md5": md5, "relpath": name}
        for name, md5 in sorted(files.items(), key=lambda item: item[0].split("/"))
    ]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir", files


def _md5(path: Path, bar: Any) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()
