"""What DVC's run cache leaves out of its keys is declared by its whole path."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.params import read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.dag.unseen import unseen_in, with_unseen
from tests.pipeline.dag.pipelines import stages
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT

PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))


def declared(stage: dict[str, Any]) -> Iterator[list[str]]:
    """Names of params, for each key of a stage."""
    keys = stage.get("foreach", {"": {}})
    for key, item in (keys if isinstance(keys, dict) else {key: {} for key in keys}).items():
        filled = []
        for name in stage.get("do", stage).get("params", []):
            for part, value in item.items():
                name = name.replace(f"${{item.{part}}}", str(value))
            filled.append(name.replace("${key}", key))
        yield filled


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_stage_names_the_sizes_below_what_it_reads(profile: Path) -> None:
    params = read_params(profile)
    found = 0
    for stage in stages(synced(TEXT, params, ROOT)).values():
        for names in declared(stage):
            sizes = {size for name in names for size in unseen_in(params, name)}
            assert sizes <= set(names)
            found += len(sizes)
    assert found > 5


def test_sizes_are_found_however_deep_and_under_what_is_declared_alone() -> None:
    params = {"a": {"size": 1, "b": {"c": {"nfiles": 2}, "size": 3}}, "size": 4, "sizes": {"d": 5}}
    assert unseen_in(params, "a") == ["a.size", "a.b.c.nfiles", "a.b.size"]
    assert unseen_in(params, "a.b") == ["a.b.c.nfiles", "a.b.size"]
    for name in ("sizes", "a.size", "none", "a.none.c"):
        assert unseen_in(params, name) == []


def test_a_size_that_a_stage_declares_alone_stays_and_one_of_a_section_goes_with_it() -> None:
    params = {"a": {"size": 1}, "b": {"size": 2}, "c": 3}
    assert with_unseen(params, ["a.size", "c"], ["a.size", "c"]) == ["a.size", "c"]
    before = ["a", "a.size", "b", "b.size"]
    assert with_unseen(params, ["a", "a.size", "b.size"], before) == ["a", "a.size"]


def test_a_run_at_another_size_takes_no_result_of_the_run_cache(tmp_path: Path) -> None:
    """With `params: [box]` alone the second run ends with the result of the first."""
    pipeline = "stages: {make: {cmd: cp params.yaml made, params: [box, box.size], outs: [made]}}"
    (tmp_path / "dvc.yaml").write_text(pipeline)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}

    def dvc(*words: str) -> None:
        subprocess.run(
            ["dvc", *words], cwd=tmp_path, env=environment, check=True, capture_output=True
        )

    dvc("init", "--no-scm")
    for size in (1, 2, 1):
        params = f"box: {{size: {size}}}\n"
        (tmp_path / "params.yaml").write_text(params)
        dvc("repro")
        assert (tmp_path / "made").read_text() == params
