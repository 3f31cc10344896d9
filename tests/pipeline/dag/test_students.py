from copy import deepcopy

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.dag.dag import synced
from tests.pipeline.dag.pipelines import PARAMS, changed, stages
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT


def test_students_start_from_a_saved_one_where_params_name_it() -> None:
    params = deepcopy(PARAMS)
    params["student"]["init"] = "models/ready"
    found = stages(synced(TEXT, params, ROOT))["student"]
    assert {item["init"] for item in found["foreach"].values()} == {"models/ready"}
    assert "student.init" in found["do"]["params"]


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


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="ce, dist, dkd, kd"):
        synced(TEXT, changed(methods=["ce", "kdd"]), ROOT)


@pytest.mark.parametrize("student", [{"methods": []}, {"seeds": []}])
def test_no_student_at_all_is_an_error(student: dict[str, object]) -> None:
    with pytest.raises(ParamsError, match="no student"):
        synced(TEXT, changed(**student), ROOT)


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
