"""Every kind of damage to an artifact is found, named and given a remedy."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fer_cli.verify import verify as command
from fer_core.base.artifact import Header, new_artifact
from fer_core.base.errors import ArtifactError
from fer_core.dataset.store.store import write_store
from fer_core.pipeline.checkout.verify import verify_outs
from tests.dataset.tiny_stores import face


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def keep(data: bytes, name: str) -> None:
    """Put bytes into DVC's cache under a name."""
    copy = Path(".dvc/cache/files/md5", name[:2], name[2:])
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(data)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two outs as DVC records them: a face store and a folder with a header."""
    monkeypatch.chdir(tmp_path)
    write_store(Path("data/clean/a.arrow"), [face("a/1", "train", 3, 5)], {"source": "a"})
    with new_artifact(Path("data/logits/rn18/dev"), Header("numbers/1", "rn18")) as temporary:
        (temporary / "eval.npy").write_bytes(bytes(1000))
    outs = []
    for path in (Path("data/clean/a.arrow"), Path("data/logits/rn18/dev")):
        if path.is_file():
            recorded = md5(path.read_bytes())
            keep(path.read_bytes(), recorded)
        else:
            listing = [
                {"md5": md5(file.read_bytes()), "relpath": file.name}
                for file in sorted(path.iterdir())
            ]
            text = json.dumps(listing, sort_keys=True).encode()
            recorded = md5(text) + ".dir"
            keep(text, recorded)
            for file in path.iterdir():
                keep(file.read_bytes(), md5(file.read_bytes()))
        outs.append({"path": str(path), "md5": recorded, "hash": "md5", "size": 1})
    stages = {f"stage{n}": {"cmd": "true", "outs": [out]} for n, out in enumerate(outs)}
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    Path("dvc.yaml").write_text("stages: {stage0: {cmd: x}, stage1: {cmd: x}}\n")
    return tmp_path


CACHE = Path(".dvc/cache")
EVAL = Path("data/logits/rn18/dev/eval.npy")


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def told(deep: bool = False) -> list[tuple[str, str]]:
    return [(str(damage.where), damage.what) for damage in verify_outs(CACHE, deep)]


def test_what_is_recorded_of_stages_that_are_gone_is_nobody_s(project: Path) -> None:
    lock = json.loads(Path("dvc.lock").read_text())
    out = {"path": "data/teachers/old/a/model", "md5": 32 * "0" + ".dir", "hash": "md5"}
    lock["stages"] |= {f"teacher@{key}": {"cmd": "x", "outs": [out]} for key in ("old", "new")}
    Path("dvc.lock").write_text(json.dumps(lock))
    assert told() == []
    text = "stages: {stage0: {cmd: x}, stage1: {cmd: x}, teacher: {foreach: [new], do: {cmd: x}}}"
    Path("dvc.yaml").write_text(text)
    assert told() == [("data/teachers/old/a/model", "is missing")]


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_sound_gives_nothing(project: Path, deep: bool) -> None:
    assert told(deep) == []


def test_a_changed_a_missing_and_an_added_file_are_named(project: Path) -> None:
    flip(EVAL)
    assert told() == [(str(EVAL), "was changed")]
    EVAL.unlink()
    assert told() == [(str(EVAL), "is missing")]
    EVAL.write_bytes(bytes(1000))
    (EVAL.parent / "more.npy").write_bytes(b"")
    assert told() == [(str(EVAL.parent / "more.npy"), "was added")]
    shutil.rmtree(EVAL.parent)
    assert told() == [(str(EVAL.parent), "is missing")]


def test_without_dvc_s_list_a_changed_folder_is_still_found(project: Path) -> None:
    shutil.rmtree(CACHE)
    flip(EVAL)
    ((where, what),) = told()
    assert where == str(EVAL.parent) and what.startswith("was changed: md5")


def test_a_lock_that_fits_does_not_hide_a_header_that_does_not(project: Path) -> None:
    """As when DVC recorded what a wrong program had written."""
    flip(EVAL)
    lock = json.loads(Path("dvc.lock").read_text())
    listing = [
        {"md5": md5(file.read_bytes()), "relpath": file.name}
        for file in sorted(EVAL.parent.iterdir())
    ]
    text = json.dumps(listing, sort_keys=True).encode()
    lock["stages"]["stage1"]["outs"][0]["md5"] = md5(text) + ".dir"
    Path("dvc.lock").write_text(json.dumps(lock))
    assert told() == []
    assert told(deep=True) == [(str(EVAL), "A file of this artifact was changed.")]


def test_a_flipped_bit_of_a_face_store_is_found_twice_over(project: Path) -> None:
    store = Path("data/clean/a.arrow")
    image = face("a/1", "train", 3, 5).image
    flip(store, store.read_bytes().index(image) + 5)
    assert [where for where, _ in told()] == [str(store)]
    assert ("data/clean/a.arrow", "The bytes of this face store were changed.") in told(deep=True)


def test_a_changed_copy_in_the_cache_is_found(project: Path) -> None:
    copy = next(path for path in CACHE.rglob("*") if path.is_file() and path.stat().st_size == 1000)
    flip(copy)
    assert told() == []
    ((where, what),) = told(deep=True)
    assert where == str(copy) and "in DVC's cache was changed" in what


def test_without_a_lock_there_is_nothing_to_compare(project: Path) -> None:
    Path("dvc.lock").unlink()
    with pytest.raises(ArtifactError, match=r"lock file is missing(.|\n)*fer run"):
        told()


def test_command_ends_with_status_1_and_the_remedy(project: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    assert CliRunner().invoke(app).exit_code == 0
    EVAL.unlink()
    done = CliRunner().invoke(app)
    assert done.exit_code == 1
    assert "eval.npy: is missing" in done.output and "dvc checkout" in done.output
