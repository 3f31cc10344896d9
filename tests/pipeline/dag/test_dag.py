from copy import deepcopy

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.dag.code import code_deps
from fer_core.pipeline.dag.dag import synced
from tests.pipeline.dag.pipelines import PARAMS, changed, stages, with_stage_b
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT


def test_sync_is_a_fixed_point() -> None:
    assert synced(synced(TEXT, PARAMS, ROOT), PARAMS, ROOT) == synced(TEXT, PARAMS, ROOT) == TEXT


def test_another_seed_adds_students_and_all_that_follows_them() -> None:
    text = synced(TEXT, changed(seeds=[1337, 42]), ROOT)
    found = stages(text)
    keys = ["ce-1337", "ce-42", "kd-1337", "kd-42", "dkd-1337", "dkd-42"]
    assert list(found["student"]["foreach"]) == keys
    assert found["student"]["foreach"]["kd-42"]["seed"] == 42
    assert {f"data/evaluation/{key}" for key in keys} <= set(found["compare"]["deps"])
    assert {f"data/students/{key}/record" for key in keys} <= set(found["report"]["deps"])
    assert set(keys) <= set(found["calibrate"]["foreach"])
    assert synced(text, PARAMS, ROOT) == TEXT


def test_a_pipeline_without_the_stage_that_params_ask_for_is_refused() -> None:
    begin, end = TEXT.index("  teacher_b:\n"), TEXT.index("  teacher_fold:\n")
    text = TEXT[:begin] + TEXT[end:]
    assert "teacher_b" not in stages(synced(text, PARAMS, ROOT))
    with pytest.raises(ParamsError, match="teacher_b"):
        synced(text, with_stage_b(), ROOT)


def test_terms_of_use_of_every_source_reach_the_model_card() -> None:
    params = deepcopy(PARAMS)
    params["manifest"]["sources"] = ["rafdb_basic", "fer2013"]
    deps = stages(synced(TEXT, params, ROOT))["onnx"]["deps"]
    assert [dep for dep in deps if "sources/" in dep and dep.endswith(".json")] == [
        "data/sources/rafdb_basic.json",
        "data/sources/fer2013.json",
    ]


def test_comments_and_hand_written_parts_survive() -> None:
    text = TEXT.replace("stages:\n", "# a comment of the user\nstages:\n", 1)
    assert "# a comment of the user" in synced(text, changed(seeds=[1]), ROOT)


def test_a_stage_of_the_users_own_is_left_alone() -> None:
    own = "\n  mine:\n    cmd: python mine.py\n    deps:\n      - mine.py\n    outs:\n      - mine.txt\n"
    text = TEXT.replace("\n  manifest:\n", own + "\n  manifest:\n", 1)
    assert synced(text, PARAMS, ROOT) == text


def test_compare_depends_on_the_trials_where_they_are_recorded() -> None:
    params = deepcopy(PARAMS)
    params["student"]["trials"] = {"ce": 4, "kd": 4}
    text = synced(TEXT, params, ROOT)
    assert [
        one
        for one in stages(text)["compare"]["params"]
        if one not in stages(TEXT)["compare"]["params"]
    ] == ["student.trials"]
    assert {stage for stage, body in stages(text).items() if body != stages(TEXT)[stage]} == {
        "compare"
    }
    assert synced(text, PARAMS, ROOT) == TEXT


def test_a_new_loss_does_not_touch_teachers_and_an_export_option_touches_no_training() -> None:
    assert not any("losses" in file for file in code_deps("stages.teacher", ROOT))
    assert not any("students" in file for file in code_deps("stages.teacher", ROOT))
    for stage in ("teacher", "student", "logits", "predict", "evaluate"):
        assert not any(
            file.startswith(("fer_core/predict", "fer_core/export", "fer_core/report"))
            for file in code_deps(f"stages.{stage}", ROOT)
        )


def test_a_new_metric_runs_no_network_and_a_new_network_is_all_that_runs_one_again() -> None:
    predict, evaluate = (code_deps(f"stages.{stage}", ROOT) for stage in ("predict", "evaluate"))
    assert not any("evaluation" in file for file in predict)
    assert not any("images" in file or "devices" in file for file in evaluate)
    students = stages(TEXT)["student"]["foreach"]
    found = stages(TEXT)["predict"]["foreach"]
    assert found == list(students)
    assert list(stages(TEXT)["evaluate"]["foreach"]) == [*PARAMS["teachers"], *students]


def test_a_section_that_params_leave_out_is_not_declared() -> None:
    params = deepcopy(PARAMS)
    del params["clean"]["expw"], params["clean"]["crops"]
    item = stages(synced(TEXT, params, ROOT))["clean"]["foreach"]["sample_expw"]
    assert (item["options"], item["crops"]) == ("max_pixels", "max_pixels")


def test_a_source_without_descriptor_is_refused() -> None:
    params = deepcopy(PARAMS)
    params["manifest"]["sources"] = ["rafdb_basic", "nowhere"]
    with pytest.raises(ParamsError, match=r"(?s)no such data set.*nowhere.*fer data add nowhere"):
        synced(TEXT, params, ROOT)
