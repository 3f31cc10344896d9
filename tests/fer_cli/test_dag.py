from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from fer_core.base.errors import ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.dag.cleaning import sections_read
from fer_core.pipeline.dag.code import code_deps
from fer_core.pipeline.dag.dag import synced
from tests.outside.peers import network_entry
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT, SAMPLE

PARAMS = read_params(SAMPLE)


def changed(**student: object) -> dict:  # type: ignore[type-arg]
    params = deepcopy(PARAMS)
    params["student"].update(student)
    return params


def stages(text: str) -> dict:  # type: ignore[type-arg]
    return yaml.safe_load(text)["stages"]


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


def test_another_teacher_adds_its_stages_and_its_initial_weights() -> None:
    params = deepcopy(PARAMS)
    params["teachers"]["vit"] = {"arch": "test_vit"}
    found = stages(synced(TEXT, params, ROOT))
    assert found["teacher_a"]["foreach"]["vit"] == {
        "init": "data/init/test_vit",
        "own": "teachers.vit.arch",
    }
    assert "test_vit" in found["init"]["foreach"]
    assert "data/logits/vit/dev" in found["ensemble"]["deps"]
    assert "data/logits/vit/test" in found["leaderboard"]["deps"]


def with_stage_b() -> dict:  # type: ignore[type-arg]
    params = deepcopy(PARAMS)
    params["teachers"]["tiny_resnet"]["stage"] = "b"
    params["teacher_b"] = {"set": "large"}
    return params


def test_without_a_teacher_of_stage_b_there_is_none_to_run() -> None:
    assert stages(TEXT)["teacher_b"]["foreach"] == {}
    assert not any("/b/" in dep for dep in stages(TEXT)["report"]["deps"])


def test_stage_b_stands_between_stage_a_and_all_that_uses_the_teacher() -> None:
    text = synced(TEXT, with_stage_b(), ROOT)
    found = stages(text)
    assert found["teacher_b"]["foreach"] == {
        "tiny_resnet": {
            "a": "data/teachers/tiny_resnet/a/model",
            "own": "teachers.tiny_resnet.arch",
        }
    }
    assert "tiny_resnet" in found["teacher_a"]["foreach"]
    for stage in ("logits_dev", "logits_test", "evaluate"):
        assert (
            found[stage]["foreach"]["tiny_resnet"]["model"] == "data/teachers/tiny_resnet/b/model"
        )
        assert (
            found[stage]["foreach"]["tiny_effnet"]["model"] == "data/teachers/tiny_effnet/a/model"
        )
    assert {"data/teachers/tiny_resnet/b/record", "data/teachers/tiny_effnet/a/record"} <= set(
        found["report"]["deps"]
    )
    assert "data/teachers/tiny_resnet/a/record" not in found["report"]["deps"]
    assert synced(text, PARAMS, ROOT) == TEXT


def test_another_stage_of_a_teacher_does_not_repeat_its_stage_a() -> None:
    """Stage A declares the architecture alone, so that `stage: b` adds a training and repeats
    none.
    """
    before = stages(TEXT)["teacher_a"]
    after = stages(synced(TEXT, with_stage_b(), ROOT))["teacher_a"]
    assert after == before
    assert before["foreach"]["tiny_resnet"]["own"] == "teachers.tiny_resnet.arch"
    assert {name for name in before["do"]["params"] if "own" in name} == {"${item.own}"}
    assert not any(name.startswith("teachers") for name in before["do"]["params"])


def test_a_training_stage_declares_the_named_set_it_learns_from_and_no_other() -> None:
    params = with_stage_b()
    params["teacher"]["set"], params["student"]["set"] = "hq", "hq"
    params["pack"]["train_sets"] = ["hq", "large"]
    text = synced(TEXT, params, ROOT)

    def declared(name: str) -> list[str]:
        body = stages(text)[name]
        return [param for param in body.get("do", body)["params"] if "set" in param]

    assert declared("pack") == ["sets.hq", "sets.large"]
    assert declared("teacher_a") == ["teacher.set", "sets.hq"]
    assert declared("teacher_b") == ["sets.large"]
    assert declared("student") == ["student.set", "sets.hq"]
    assert declared("evaluate") == ["sets"]
    assert synced(text, PARAMS, ROOT) == TEXT


def test_a_trial_of_a_few_rows_declares_all_named_sets_where_it_packs_alone() -> None:
    params = deepcopy(PARAMS)
    params["pack"]["most_per_class"] = 3
    text = synced(TEXT, params, ROOT)
    changed = {name for name, body in stages(text).items() if body != stages(TEXT)[name]}
    assert changed == {"pack", "report"} and "sets" in stages(text)["pack"]["params"]
    assert "pack.most_per_class" in stages(text)["report"]["params"]
    assert synced(text, PARAMS, ROOT) == TEXT


def with_folds(params: dict, folds: int) -> dict:  # type: ignore[type-arg]
    params["teacher"]["folds"] = folds
    return params


def test_without_folds_a_teacher_s_own_logits_of_its_train_rows_are_taken() -> None:
    assert synced(TEXT, with_folds(deepcopy(PARAMS), 0), ROOT) == TEXT.replace(
        "params: [views, teacher.train.precision, cpu_threads]",
        "params: [views, teacher.train.precision, cpu_threads, teacher.folds]",
    )
    assert not any("folds/" in dep for dep in stages(TEXT)["logits_dev"]["do"]["deps"])


def test_teachers_that_answer_for_mirror_images_are_trained_alike() -> None:
    params = deepcopy(PARAMS)
    params["teacher"]["mirror"] = True
    text = synced(TEXT, params, ROOT)
    changed = {stage for stage, body in stages(text).items() if body != stages(TEXT)[stage]}
    assert changed == {"logits_dev", "logits_test", "onnx_teacher"}
    for stage in changed:
        assert "teacher.mirror" in stages(text)[stage]["do"]["params"]
    assert synced(text, PARAMS, ROOT) == TEXT


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


def test_folds_add_a_training_for_each_teacher_and_part_and_change_nothing_of_the_whole_teachers() -> (
    None
):
    text = synced(TEXT, with_folds(with_stage_b(), 2), ROOT)
    found, plain = stages(text), stages(synced(TEXT, with_stage_b(), ROOT))
    assert list(found["teacher_fold"]["foreach"]) == [
        "tiny_resnet-a-0",
        "tiny_resnet-b-0",
        "tiny_resnet-a-1",
        "tiny_resnet-b-1",
        "tiny_effnet-a-0",
        "tiny_effnet-a-1",
        "tiny_resnet9-a-0",
        "tiny_resnet9-a-1",
    ]
    assert found["teacher_fold"]["foreach"]["tiny_resnet-b-1"] == {
        "teacher": "tiny_resnet",
        "stage": "b",
        "fold": 1,
        "start": "data/teachers/tiny_resnet/folds/a/1/model",
        "own": "teachers.tiny_resnet.arch",
    }
    assert (
        found["teacher_fold"]["foreach"]["tiny_effnet-a-0"]["start"]
        == plain["teacher_a"]["foreach"]["tiny_effnet"]["init"]
    )
    assert {"teacher_b", "sets.large"} <= set(found["teacher_fold"]["do"]["params"])
    assert found["logits_dev"]["foreach"]["tiny_resnet"]["stage"] == "b"
    deps = [dep for dep in found["logits_dev"]["do"]["deps"] if "/folds/" in dep]
    assert deps == [f"data/teachers/${{key}}/folds/${{item.stage}}/{fold}/model" for fold in (0, 1)]
    assert "teacher.folds" in found["logits_dev"]["do"]["params"]
    for stage in ("teacher_a", "teacher_b", "logits_test", "student", "evaluate"):
        assert found[stage] == plain[stage], "a whole teacher depends on the number of folds"
    assert synced(text, PARAMS, ROOT) == TEXT


def test_options_of_a_teachers_own_repeat_its_trainings_and_no_other_teachers() -> None:
    params = with_stage_b()
    params["teacher"]["folds"] = 2
    params["teacher"]["votes"] = 0.5
    params["teacher"]["preprocessing"] = {"size": 48}
    before = stages(synced(TEXT, params, ROOT))
    params["teachers"]["tiny_resnet"]["a"] = {"train": {"epochs": 60}}
    text = synced(TEXT, params, ROOT)
    after = stages(text)
    trainings = ("teacher_a", "teacher_b", "teacher_fold")
    assert {"teacher.votes", "teacher.preprocessing"} <= set(after["teacher_a"]["do"]["params"])
    for stage in trainings:
        assert after[stage]["do"] == before[stage]["do"]
        assert "${item.own}" in after[stage]["do"]["params"]
    own = {
        (stage, key): item["own"]
        for stage in trainings
        for key, item in after[stage]["foreach"].items()
        if item != before[stage]["foreach"][key]
    }
    reads = "teachers.tiny_resnet.a"
    assert own == {
        ("teacher_a", "tiny_resnet"): reads,
        ("teacher_fold", "tiny_resnet-a-0"): reads,
        ("teacher_fold", "tiny_resnet-a-1"): reads,
    }
    assert after["teacher_b"]["foreach"]["tiny_resnet"]["own"] == "teachers.tiny_resnet.arch"
    assert synced(text, PARAMS, ROOT) == TEXT


def test_students_start_from_a_saved_one_where_params_name_it() -> None:
    params = deepcopy(PARAMS)
    params["student"]["init"] = "models/ready"
    found = stages(synced(TEXT, params, ROOT))["student"]
    assert {item["init"] for item in found["foreach"].values()} == {"models/ready"}
    assert "student.init" in found["do"]["params"]


def test_soft_labels_depend_on_how_targets_are_made_where_params_say_it() -> None:
    text = synced(TEXT, PARAMS | {"targets": {"weights": "uniform"}}, ROOT)
    assert set(stages(text)["softlabels"]["params"]) - set(
        stages(TEXT)["softlabels"]["params"]
    ) == {"targets"}
    assert synced(text, PARAMS, ROOT) == TEXT


def test_a_pipeline_without_the_stage_that_params_ask_for_is_refused() -> None:
    begin, end = TEXT.index("  teacher_b:\n"), TEXT.index("  teacher_fold:\n")
    text = TEXT[:begin] + TEXT[end:]
    assert "teacher_b" not in stages(synced(text, PARAMS, ROOT))
    with pytest.raises(ParamsError, match="teacher_b"):
        synced(text, with_stage_b(), ROOT)


def test_no_teacher_is_exported_until_params_ask_for_it() -> None:
    assert stages(TEXT)["onnx_teacher"]["foreach"] == {}
    params = deepcopy(PARAMS)
    params["deploy"]["teachers"] = ["tiny_resnet9", "tiny_resnet"]
    text = synced(TEXT, params, ROOT)
    assert stages(text)["onnx_teacher"]["foreach"] == {
        "tiny_resnet9": {"model": "data/teachers/tiny_resnet9/a/model"},
        "tiny_resnet": {"model": "data/teachers/tiny_resnet/a/model"},
    }
    assert synced(text, PARAMS, ROOT) == TEXT


def test_the_exported_teacher_is_the_one_whose_logits_are_used() -> None:
    params = with_stage_b()
    params["deploy"]["teachers"] = ["tiny_resnet"]
    found = stages(synced(TEXT, params, ROOT))
    used = found["logits_test"]["foreach"]["tiny_resnet"]
    assert (
        found["onnx_teacher"]["foreach"]["tiny_resnet"]
        == used
        == {"model": "data/teachers/tiny_resnet/b/model"}
    )


def test_export_of_an_unknown_teacher_is_refused() -> None:
    params = deepcopy(PARAMS)
    params["deploy"]["teachers"] = ["tiny_resent"]
    with pytest.raises(ParamsError, match=r"deploy\.teachers[\s\S]*tiny_resent[\s\S]*tiny_resnet"):
        synced(TEXT, params, ROOT)


def test_terms_of_use_of_every_source_reach_the_model_card() -> None:
    params = deepcopy(PARAMS)
    params["manifest"]["sources"] = ["rafdb_basic", "fer2013"]
    deps = stages(synced(TEXT, params, ROOT))["onnx"]["deps"]
    assert [dep for dep in deps if "sources/" in dep and dep.endswith(".json")] == [
        "data/sources/rafdb_basic.json",
        "data/sources/fer2013.json",
    ]


def test_only_methods_with_targets_wait_for_soft_labels() -> None:
    students = stages(TEXT)["student"]["foreach"]
    assert students["ce-1337"]["targets"] == "data/pack/dev/rows.parquet"
    assert students["kd-1337"]["targets"] == students["dkd-1337"]["targets"] == "data/softlabels"


def test_a_method_of_labels_alone_waits_for_soft_labels_once_a_term_asks_a_teacher() -> None:
    for negatives, targets in (
        ("uniform", "data/pack/dev/rows.parquet"),
        ("confusion", "data/softlabels"),
        ("teacher", "data/softlabels"),
    ):
        params = deepcopy(PARAMS)
        params["student"]["ce"]["negl"] = {"weight": 0.1, "negatives": negatives}
        assert (
            stages(synced(TEXT, params, ROOT))["student"]["foreach"]["ce-1337"]["targets"]
            == targets
        )


def test_comments_and_hand_written_parts_survive() -> None:
    text = TEXT.replace("stages:\n", "# a comment of the user\nstages:\n", 1)
    assert "# a comment of the user" in synced(text, changed(seeds=[1]), ROOT)


def test_a_stage_of_the_users_own_is_left_alone() -> None:
    own = "\n  mine:\n    cmd: python mine.py\n    deps:\n      - mine.py\n    outs:\n      - mine.txt\n"
    text = TEXT.replace("\n  manifest:\n", own + "\n  manifest:\n", 1)
    assert synced(text, PARAMS, ROOT) == text


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="ce, dist, dkd, kd"):
        synced(TEXT, changed(methods=["ce", "kdd"]), ROOT)


@pytest.mark.parametrize("student", [{"methods": []}, {"seeds": []}])
def test_no_student_at_all_is_an_error(student: dict[str, object]) -> None:
    with pytest.raises(ParamsError, match="no student"):
        synced(TEXT, changed(**student), ROOT)


def test_code_deps_follow_imports_of_imports_and_leave_out_the_exempt(tmp_path: Path) -> None:
    for name, text in {
        "stages/a.py": "from fer_core.x.b import f\nimport numpy",
        "fer_core/x/b.py": "def f():\n    from fer_core.x import c\nfrom fer_core.base.errors import "
        "FerError",
        "fer_core/x/c.py": "import fer_core.x.b, fer_core.y.d",
        "fer_core/y/d.py": "",
        "fer_core/x/unused.py": "",
        "fer_core/base/errors.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert code_deps("stages.a", tmp_path) == ["stages/a.py", "fer_core/x", "fer_core/y"]


def test_what_files_of_items_import_is_declared_and_they_themselves_are_not(tmp_path: Path) -> None:
    for name, text in {
        "stages/a.py": "",
        "fer_core/training/losses/kd.py": "from fer_core.common.c import f",
        "fer_core/training/losses/ce.py": "",
        "fer_core/common/c.py": "import fer_core.deep.d",
        "fer_core/deep/d.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert code_deps("stages.a", tmp_path, ["fer_core/training/losses/${item.loss}.py"]) == [
        "stages/a.py",
        "fer_core/common",
        "fer_core/deep",
    ]
    assert code_deps("stages.a", tmp_path) == ["stages/a.py"]


def test_a_method_of_another_name_has_its_section_and_the_file_it_names() -> None:
    text = synced(
        TEXT,
        changed(
            methods=["ce", "kd", "kd_sharp"],
            kd_sharp={"method": "kd", "temperature": 1.0, "alpha": 0.9},
        ),
        ROOT,
    )
    found = stages(text)["student"]
    assert found["foreach"]["kd_sharp-1337"] == {
        **found["foreach"]["kd-1337"],
        "method": "kd_sharp",
    }
    assert found["foreach"]["kd_sharp-1337"]["loss"] == "kd"
    assert "fer_core/training/losses/${item.loss}.py" in found["do"]["deps"]
    assert "student.${item.method}" in found["do"]["params"]
    with pytest.raises(ParamsError, match="Unknown method"):
        synced(TEXT, changed(methods=["kd_sharp"], kd_sharp={"method": "kdd"}), ROOT)


def test_a_method_may_go_on_from_the_students_of_another() -> None:
    params = changed(methods=["ce", "kd", "dkd"], seeds=[1, 2])
    params["student"]["kd"] |= {"start": "ce", "extra_epochs": 2}
    params["student"]["dkd"] |= {"start": "kd"}
    found = stages(synced(TEXT, params, ROOT))["student"]["foreach"]
    assert found["ce-2"]["init"] == "data/init/test_resnet"
    assert found["kd-2"]["init"] == "data/students/ce-2/model"
    assert found["dkd-1"]["init"] == "data/students/kd-1/model"
    params["student"]["kd"]["start"] = "dkd"
    with pytest.raises(ParamsError, match="ring"):
        synced(TEXT, params, ROOT)
    params["student"]["kd"]["start"] = "nkd"
    with pytest.raises(ParamsError, match="not trained"):
        synced(TEXT, params, ROOT)


def test_a_students_own_image_size_is_declared_where_it_has_one() -> None:
    text = synced(TEXT, changed(preprocessing={"size": 96}), ROOT)
    assert "student.preprocessing" in stages(text)["student"]["do"]["params"]
    assert "student.preprocessing" not in stages(TEXT)["student"]["do"]["params"]
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


def test_a_data_set_depends_on_its_own_reader_and_params_alone() -> None:
    params = deepcopy(PARAMS)
    params["manifest"]["sources"] = ["rafdb_basic", "expw", "sample_expw", "affectnet_yolo_format"]
    params["clean"]["affectnet"] = {"pad_ratio": 0.1}
    found = stages(synced(TEXT, params, ROOT))["clean"]
    reader, renderer = "fer_core/sources/layouts/expw.py", "fer_core/sample"
    assert found["foreach"] == {
        "rafdb_basic": {
            "layout": "rafdb_basic",
            "options": "max_pixels",
            "crops": "max_pixels",
            "origin": "fer_core/sources/layouts/rafdb_basic.py",
        },
        "expw": {"layout": "expw", "options": "expw", "crops": "crops", "origin": reader},
        "sample_expw": {"layout": "expw", "options": "expw", "crops": "crops", "origin": renderer},
        "affectnet_yolo_format": {
            "layout": "affectnet_yolo",
            "options": "affectnet",
            "crops": "crops",
            "origin": "fer_core/sources/layouts/affectnet_yolo.py",
        },
    }
    deps = found["do"]["deps"]
    assert "fer_core/sources/layouts/${item.layout}.py" in deps and "${item.origin}" in deps
    shared = [dep for dep in deps if "${" not in dep]
    assert "fer_core/sources/files" in shared
    assert not any("layouts" in dep or "sample" in dep for dep in shared)
    assert found["do"]["params"] == [
        "clean.allow_undecodable",
        "clean.max_pixels",
        "clean.${item.crops}",
        "clean.${item.options}",
    ]


def test_a_section_that_params_leave_out_is_not_declared() -> None:
    params = deepcopy(PARAMS)
    del params["clean"]["expw"], params["clean"]["crops"]
    item = stages(synced(TEXT, params, ROOT))["clean"]["foreach"]["sample_expw"]
    assert (item["options"], item["crops"]) == ("max_pixels", "max_pixels")


def test_what_a_reader_reads_of_params_is_seen_in_its_code(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(
        "def scan(options):\n    return options.expw.pad_ratio, options.crops, options.max_pixels\n"
    )
    assert sections_read(tmp_path / "reader.py") == ["crops", "expw"]
    for reader in (ROOT / "fer_core/sources/layouts").glob("*.py"):
        assert len(set(sections_read(reader)) - {"crops"}) <= 1, (
            f"{reader.name}: a stage declares one section besides crops"
        )


def test_a_source_without_descriptor_is_refused() -> None:
    params = deepcopy(PARAMS)
    params["manifest"]["sources"] = ["rafdb_basic", "nowhere"]
    with pytest.raises(ParamsError, match=r"(?s)no such data set.*nowhere.*fer data add nowhere"):
        synced(TEXT, params, ROOT)


def with_peer(file: str = "peers/face.onnx") -> dict:  # type: ignore[type-arg]
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


def filled(entry: object, key: str, item: dict[str, str]) -> str:
    """A dep or out of one item of a stage."""
    text = str(next(iter(entry)) if isinstance(entry, dict) else entry)
    for name, value in item.items():
        text = text.replace(f"${{item.{name}}}", str(value))
    text = text.replace("${deploy.student}", PARAMS["deploy"]["student"])
    return text.replace("${key}", key).replace("${item}", key)


def test_without_teachers_from_elsewhere_their_stage_is_a_comment() -> None:
    assert "logits_outside" not in stages(TEXT)
    assert "#~  logits_outside:" in TEXT
