from copy import deepcopy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fer_cli.dag import code_deps, synced
from fer_core.errors import ParamsError
from fer_core.params import read_params

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "dvc.yaml").read_text()
PARAMS = read_params(ROOT / "params.yaml")


def changed(**student: object) -> dict:  # type: ignore[type-arg]
    params = deepcopy(PARAMS)
    params["student"].update(student)
    return params


def stages(text: str) -> dict:  # type: ignore[type-arg]
    return YAML(typ="safe").load(text)["stages"]


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
    assert found["teacher_a"]["foreach"]["vit"] == {"init": "data/init/test_vit"}
    assert "test_vit" in found["init"]["foreach"]
    assert "data/logits/vit/dev" in found["ensemble"]["deps"]
    assert "data/logits/vit/test" in found["leaderboard"]["deps"]


def test_only_methods_with_targets_wait_for_soft_labels() -> None:
    students = stages(TEXT)["student"]["foreach"]
    assert students["ce-1337"]["targets"] == "data/pack/dev/rows.parquet"
    assert students["kd-1337"]["targets"] == students["dkd-1337"]["targets"] == "data/softlabels"


def test_comments_and_hand_written_parts_survive() -> None:
    text = TEXT.replace("stages:\n", "# a comment of the user\nstages:\n", 1)
    assert "# a comment of the user" in synced(text, changed(seeds=[1]), ROOT)


def test_a_stage_of_the_users_own_is_left_alone() -> None:
    own = "\n  mine:\n    cmd: python mine.py\n    deps:\n      - mine.py\n    outs:\n      - mine.txt\n"
    text = TEXT.replace("\n  manifest:\n", own + "\n  manifest:\n", 1)
    assert synced(text, PARAMS, ROOT) == text


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="ce, dkd, kd"):
        synced(TEXT, changed(methods=["ce", "kdd"]), ROOT)


@pytest.mark.parametrize("student", [{"methods": []}, {"seeds": []}])
def test_no_student_at_all_is_an_error(student: dict[str, object]) -> None:
    with pytest.raises(ParamsError, match="no student"):
        synced(TEXT, changed(**student), ROOT)


def test_code_deps_follow_imports_of_imports_and_leave_out_the_exempt(tmp_path: Path) -> None:
    for name, text in {
        "stages/a.py": "from fer_core.x.b import f\nimport numpy",
        "fer_core/x/b.py": "def f():\n    from fer_core.x import c\nfrom fer_core.errors import FerError",
        "fer_core/x/c.py": "import fer_core.x.b",
        "fer_core/x/unused.py": "",
        "fer_core/errors.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert code_deps("stages.a", tmp_path) == ["stages/a.py", "fer_core/x/b.py", "fer_core/x/c.py"]


def test_a_new_loss_does_not_touch_teachers_and_an_export_option_touches_no_training() -> None:
    assert not any("losses" in file for file in code_deps("stages.teacher_a", ROOT))
    for stage in ("teacher_a", "student", "logits_dev", "evaluate"):
        assert not any(file.startswith(("fer_core/deploy", "fer_core/report")) for file in code_deps(f"stages.{stage}", ROOT))
