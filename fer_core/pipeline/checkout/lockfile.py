"""`dvc.lock`, written so that no signal, power cut or full disk leaves half of it.

DVC rewrites the file in place and parses all of it each time. Here the text of one stage is
replaced, the result is read back, and the new file takes the old one's place in one step. The bytes
are those that DVC writes; `tests/pipeline/checkout/test_workspace.py` compares them.
"""

import logging
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import new_file
from fer_core.base.reading import parse_yaml, plain_values

__all__ = ["LOCK", "REMEDY_OF_MERGE", "lock_fault", "mend_lock", "put_entry"]

log = logging.getLogger(__name__)

LOCK = Path("dvc.lock")
_STAGE = re.compile(r"^  (?=[^\s#-])", re.M)
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.M)
_MERGE = "it holds the marks of a merge"
REMEDY_OF_MERGE = (
    "take one side (`git checkout --ours dvc.lock` or `--theirs`), settle dvc.yaml and "
    "params.yaml, then `fer run`: it makes again only what differs"
)
_LAST_GOOD, _DAMAGED = "dvc.lock.good", "dvc.lock.damaged"


def put_entry(
    root: Path, name: str, entry: Mapping[str, Any], before: Collection[str] = ()
) -> None:
    """Write the entry of one stage into `dvc.lock`, and keep a copy of the whole file.

    Args:
        root: folder of `dvc.lock`.
        name: address of the stage, such as `student@kd-1337`.
        entry: its command, deps, params and outs, as DVC's `to_lockfile` gives them.
        before: stages that a new entry must precede; else it comes last.

    Raises:
        WriteError: the disk is full or not writable; the file is as before.
    """
    lock = root / LOCK
    old = lock.read_text(encoding="utf-8") if lock.exists() else ""
    new = _with_entry(old, name, entry, before)
    if new != old:
        _write(lock, new)
    _write(_tmp(root) / _LAST_GOOD, new)


def lock_fault(root: Path) -> str | None:
    """What is wrong with `dvc.lock` in a few words, or None if it is whole or missing."""
    lock = root / LOCK
    if not lock.exists() or _is_whole(text := lock.read_text("utf-8", errors="replace")):
        return None
    return _MERGE if _CONFLICT.search(text) else "damaged"


def mend_lock(root: Path) -> str | None:
    """Replace a `dvc.lock` that cannot be read by its last good copy, or else git's.

    The damaged file is kept in `.dvc/tmp`. Where there is no good copy the file is removed: the run
    cache still knows every result.

    Returns:
        One sentence that says what was done, or None if the file is whole or missing.

    Raises:
        ArtifactError: the file holds the marks of a merge: only its owner can say which side is
            wanted.
    """
    lock, fault = root / LOCK, lock_fault(root)
    if fault is None:
        return None
    if fault == _MERGE:
        raise ArtifactError(
            "dvc.lock holds the marks of a merge.", where=lock, remedy=REMEDY_OF_MERGE
        )
    aside = _tmp(root) / _DAMAGED
    lock.replace(aside)
    for source, good in _copies(root):
        if _is_whole(good):
            _write(lock, good)
            return f"dvc.lock was damaged; {source} took its place (the damaged one is {aside})"
    return f"dvc.lock was damaged and is made anew (the damaged one is {aside})"


def _with_entry(text: str, name: str, entry: Mapping[str, Any], before: Collection[str]) -> str:
    """The text of `dvc.lock` with another entry of one stage."""
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

    alone = dumps_yaml({"schema": "2.0", "stages": {name: _without_sharing(entry)}})
    stages = _load(text).get("stages") or {}
    wanted = stages | _load(alone)["stages"]
    found = _spliced(text, alone, before) if stages else None
    if found is not None and _load(found).get("stages") == wanted:
        return found
    if not stages and not text.strip():
        return str(alone)
    # a file that people have edited: DVC's own way
    document = parse_yaml_for_update(text, LOCK)
    document["stages"] = document.get("stages") or {}
    document["stages"][name] = _without_sharing(entry)
    return str(dumps_yaml(document))


def _without_sharing(value: Any) -> Any:
    """The same value in which nothing occurs twice.

    What params.yaml says by an anchor is one object in many places, and would be written as an
    anchor, whose name another stage's entry may have as well.
    """
    if isinstance(value, Mapping):
        return {key: _without_sharing(part) for key, part in value.items()}
    return [_without_sharing(part) for part in value] if isinstance(value, list) else value


def _spliced(text: str, alone: str, before: Collection[str]) -> str | None:
    """The text with the only stage of `alone` put in its place; if it is new, before others or at
    the end.
    """
    head, mark, rest = text.partition("\nstages:\n")
    if not mark:
        return None
    block = alone.partition("stages:\n")[2]
    after = re.search(r"^(?=[^\s#])", rest, re.M)
    body, tail = (rest[: after.start()], rest[after.start() :]) if after else (rest, "")
    starts = [found.start() for found in _STAGE.finditer(body)]
    blocks = [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]
    keys = [old.partition("\n")[0] for old in blocks]
    key = block.partition("\n")[0]
    if key in keys:
        blocks[keys.index(key)] = block
    else:
        later = [place for place, old in enumerate(keys) if old.strip(" :") in before]
        blocks.insert(min(later, default=len(blocks)), block)
    return head + mark + "".join(blocks) + tail


def _load(text: str) -> dict[str, Any]:
    """What a text that is whole holds; twice as fast as the guarded reader, several times a run."""
    found = plain_values(text)
    return found if isinstance(found, dict) else {}


def _is_whole(text: str) -> bool:
    """Whether a text of any origin is a `dvc.lock`: read with the guards against depth and size."""
    from dvc.dvcfile import Lockfile
    from voluptuous import Invalid

    try:
        Lockfile.SCHEMA(parse_yaml(text, LOCK))
    except (ParamsError, Invalid):
        return False
    return bool(text.strip())


def _copies(root: Path) -> Iterator[tuple[str, str]]:
    good = _tmp(root) / _LAST_GOOD
    if good.exists():
        yield "the copy that the last run kept", good.read_text("utf-8", errors="replace")
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{LOCK}"], cwd=root, capture_output=True, check=False
    )
    if shown.returncode == 0:
        yield "the one of the last commit", shown.stdout.decode("utf-8", errors="replace")


def _write(path: Path, text: str) -> None:
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _tmp(root: Path) -> Path:
    return root / ".dvc" / "tmp"
