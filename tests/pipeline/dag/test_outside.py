from copy import deepcopy
from pathlib import Path
from typing import Any

from fer_core.pipeline.dag.dag import synced
from tests.outside.peers import network_entry
from tests.pipeline.dag.pipelines import PARAMS, stages
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT


def with_peer(file: str = "peers/face.onnx") -> dict[str, Any]:
    params = deepcopy(PARAMS)
    params["teachers"]["peer"] = network_entry(file, 48)
    return params


def test_a_teacher_from_elsewhere_has_logits_of_its_own_file_and_no_training() -> None:
    text = synced(TEXT, with_peer(), ROOT)
    found, before = stages(text), stages(TEXT)
    assert found["logits_outside"]["foreach"] == {"peer": {"file": "peers/face.onnx"}}
    assert {"${item.file}", "fer_core/outside"} <= set(found["logits_outside"]["do"]["deps"])
    assert "teachers.${key}" in found["logits_outside"]["do"]["params"]
    for stage in ("init", "teacher_a", "teacher_b", "logits_dev", "logits_test", "onnx_teacher"):
        assert found[stage] == before[stage], f"trained teachers are what they were: {stage}"
    assert found["student"] == before["student"] and found["predict"] == before["predict"]
    for stage, dep in {
        "ensemble": "data/logits/peer/dev",
        "softlabels": "data/logits/peer/dev",
        "leaderboard": "data/logits/peer/test",
        "onnx": "data/teachers/peer/outside",
        "report": "data/teachers/peer/outside",
    }.items():
        assert dep in found[stage]["deps"], stage
    assert found["evaluate"]["foreach"]["peer"] == {"model": "data/teachers/peer/outside"}
    assert list(found["evaluate"]["foreach"])[:4] == list(with_peer()["teachers"])
    assert "teachers" in found["onnx"]["params"] and "data/softlabels" in found["onnx"]["deps"]
    assert "data/students/kd-1337/model" in found["report"]["deps"]
    assert not any(dep.startswith("data/teachers/peer/a") for dep in found["report"]["deps"])
    assert synced(text, PARAMS, ROOT) == TEXT


def test_faces_without_labels_are_asked_of_a_teacher_from_elsewhere_by_its_file() -> None:
    params = with_peer()
    params["student"]["unlabelled"] = {"sources": ["sample_expw"]}
    text = synced(TEXT, params, ROOT)
    found = stages(text)["unlabelled"]
    assert {"peers/face.onnx", "data/teachers/peer/outside"} <= set(found["deps"])
    assert {"teachers", "preprocessing"} <= set(found["params"])
    assert synced(text, params, ROOT) == text
    params["teachers"].pop("peer")
    alone = stages(synced(text, params, ROOT))["unlabelled"]
    assert not any("peer" in dep for dep in alone["deps"])
    assert "preprocessing" not in alone["params"]
    assert synced(text, PARAMS, ROOT) == TEXT


def test_another_file_runs_again_what_follows_from_it_alone() -> None:
    """Downstream of a file: no stage of a trained teacher and no student of labels alone."""
    found = stages(synced(TEXT, with_peer(), ROOT))
    concerned = {"peers/face.onnx"}
    makes: dict[str, tuple[set[str], set[str]]] = {}
    for name, outer in found.items():
        items = outer.get("foreach", {"": {}})
        body = outer.get("do", outer)
        for key in items:
            item = items[key] if isinstance(items, dict) else {}
            reads, writes = (
                {filled(entry, key, item) for one in lists for entry in body.get(one, [])}
                for lists in (["deps"], ["outs", "metrics"])
            )
            makes[f"{name}@{key}"] = (reads, writes)
    again: set[str] = set()
    while more := {
        stage
        for stage, (reads, _) in makes.items()
        if stage not in again
        and any(Path(dep).is_relative_to(out) for dep in reads for out in concerned)
    }:
        again |= more
        concerned |= {out for stage in more for out in makes[stage][1]}
    alone = {f"{stage}@peer" for stage in ("logits_outside", "evaluate", "calibrate")}
    assert alone | {"ensemble@", "leaderboard@", "softlabels@", "student@kd-42"} <= again
    assert not {stage for stage in again if "@tiny_" in stage or "@ce-" in stage}
    assert not {"manifest@", "pack@", "init@test_resnet"} & again


def test_without_teachers_from_elsewhere_their_stage_is_a_comment() -> None:
    assert "logits_outside" not in stages(TEXT)
    assert "#~  logits_outside:" in TEXT


def filled(entry: object, key: str, item: dict[str, str]) -> str:
    """A dep or out of one item of a stage."""
    text = str(next(iter(entry)) if isinstance(entry, dict) else entry)
    for name, value in item.items():
        text = text.replace(f"${{item.{name}}}", str(value))
    text = text.replace("${deploy.student}", PARAMS["deploy"]["student"])
    return text.replace("${key}", key).replace("${item}", key)
