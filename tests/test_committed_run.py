"""What is committed belongs together: code, parameters, dvc.lock and metrics are those of one run
of the shipped profile.

All of it is read from the commit, not from the working tree, which may hold the run of another
machine or half-done work. It is asked of main and in CI: a contributor's branch need not hold
results.
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.reading import parse_yaml
from fer_core.pipeline.dag.keys import keys_of, names_of

ROOT = Path(__file__).parents[1]


def branch() -> str:
    command = ["git", "branch", "--show-current"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


REMEDY = "`fer run`, `fer results --into README.md`, then commit dvc.lock, metrics, plots and README.md together"


pytestmark = pytest.mark.skipif(
    not os.environ.get("CI") and branch() != "main", reason="asked of main and in CI"
)


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout with results")
    return done.stdout


@cache
def committed(name: str) -> Any:
    return parse_yaml(git("show", f"HEAD:{name}").decode(), name)


@cache
def md5_of_files() -> dict[str, str]:
    """Path -> md5 of every tracked file of code."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "HEAD", "fer_core", "stages"))) as archive:
        contents = {member.name: archive.extractfile(member) for member in archive}
        return {
            name: hashlib.md5(content.read()).hexdigest()
            for name, content in contents.items()
            if content
        }


def md5_of(path: str) -> str:
    """As DVC hashes a file, or a folder by the sorted list of its files."""
    if path in md5_of_files():
        return md5_of_files()[path]
    inside = {
        name.removeprefix(f"{path}/"): md5
        for name, md5 in md5_of_files().items()
        if name.startswith(f"{path}/")
    }
    listing = [{"md5": md5, "relpath": name} for name, md5 in sorted(inside.items())]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"


def stages() -> dict[str, Any]:
    """Entries of dvc.lock for the stages that the committed parameters make; others are left over
    from earlier parameters.
    """
    params = committed("params.yaml")
    keys = keys_of(params, names_of(params), ROOT)
    wanted = [
        name if isinstance(stage, dict) and "foreach" not in stage else f"{name}@{key}"
        for name, stage in committed("dvc.yaml")["stages"].items()
        for key in (keys.get(name, [""]) if "foreach" in stage else [""])
    ]
    locked = committed("dvc.lock")["stages"]
    assert not (missing := [name for name in wanted if name not in locked]), (
        f"dvc.lock lacks {missing}: {REMEDY}"
    )
    return {name: locked[name] for name in wanted}


def test_committed_parameters_are_those_of_the_sample() -> None:
    assert committed("params.yaml") == committed("profiles/sample.yaml")


def test_lock_records_no_stage_that_is_gone() -> None:
    assert set(committed("dvc.lock")["stages"]) - set(stages()) == set()


def test_lock_is_of_the_committed_code() -> None:
    stale = {
        dep["path"]
        for stage in stages().values()
        for dep in stage["deps"]
        if dep["path"].startswith(("fer_core", "stages")) and dep["md5"] != md5_of(dep["path"])
    }
    assert not stale, f"changed since the committed run: {sorted(stale)}: {REMEDY}"


def test_lock_is_of_the_committed_parameters() -> None:
    def value(name: str) -> Any:
        values = committed("params.yaml")
        for part in name.split("."):
            values = values.get(part) if isinstance(values, dict) else None
        return values

    stale = {
        f"{name}: {param}"
        for name, stage in stages().items()
        for param, locked in stage.get("params", {}).get("params.yaml", {}).items()
        if locked != value(param)
    }
    assert not stale, f"changed since the committed run: {sorted(stale)}: {REMEDY}"


def test_exported_student_of_the_metrics_is_the_one_that_is_deployed() -> None:
    """Its file answers as the student does, so its macro-F1 on the compared set is that of the
    leaderboard.
    """
    params = committed("params.yaml")
    board = [
        line.split(",")
        for line in git("show", "HEAD:metrics/leaderboard.csv").decode().splitlines()
    ]
    rows = [dict(zip(board[0], row, strict=True)) for row in board[1:]]
    scores = {
        float(row["macro_f1"])
        for row in rows
        if row["entry"] == params["deploy"]["student"] and row["set"] == "test_all_sources"
    }
    exported = committed("metrics/summary.json")["onnx"]["fp32"]["macro_f1"]
    assert len(scores) == 1
    assert exported == pytest.approx(scores.pop(), abs=1e-4), REMEDY


def test_the_gap_planted_in_the_sample_is_found() -> None:
    """`fer_core/sample/rafdb_basic.py` plants it: older people show the harder expressions."""
    found = json.loads(git("show", "HEAD:metrics/fairness.json"))["attributes"]["age"]
    older, younger = (found["groups"][name] for name in ("40-69", "20-39"))
    assert older["shown"] and older["difference"]["high"] < 0 < younger["difference"]["low"]
    assert found["worst"]["group"] == "40-69"
