"""The rules that keep the house easy to live in."""

import ast
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from fer_core.base.params import OPTIONAL_SECTIONS, SECTIONS, read_params
from fer_core.pipeline.dag.code import code_deps, stage_module
from fer_core.pipeline.dag.dag import synced

ROOT = Path(__file__).parents[1]
TRUST = {"selective", "ambiguity", "fairness", "robustness", "adapt_gate", "crossval"}
TRUST |= {"cross_dataset_matrix"}
"""Stages of a few seconds, on few faces also of a minute, whose numbers live in git."""


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def document() -> dict:  # type: ignore[type-arg]
    """The pipeline with the stages that are comments while params have no use for them."""
    return yaml.safe_load((ROOT / "dvc.yaml").read_text().replace("#~", ""))


def stages() -> dict[str, str | None]:
    """Stage -> the module that it runs."""
    return {
        name: stage_module(body.get("do", body)["cmd"], ROOT)
        for name, body in document()["stages"].items()
    }


def test_a_folder_holds_modules_or_folders_never_both() -> None:
    """A stage depends on folders: one dependency must not take another along."""
    for folder in (ROOT / "fer_core").rglob("*/"):
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        folders = [path for path in folder.iterdir() if path.is_dir() and any(path.glob("*.py"))]
        assert not (modules and folders), folder.relative_to(ROOT)


@pytest.mark.parametrize(
    ("library", "door"),
    [("cv2", "fer_core/pixels/opencv.py"), ("onnxruntime", "fer_core/predict/onnx_runtime.py")],
)
def test_libraries_that_need_settings_are_loaded_at_one_place(library: str, door: str) -> None:
    """Elsewhere the variables that these modules set would come too late, or only by luck in
    time.
    """
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("fer_core", "fer_cli", "stages", "bench", "docs")
        for path in (ROOT / folder).rglob("*.py")
        if library in imports(path)
    ]
    assert found == [door]


def test_package_files_say_what_is_in_the_folder_and_no_more() -> None:
    """That of `predict` names the predictor for users' sake, and loads nothing by itself; the
    library's own and that of `stages` set environment variables.
    """
    for path in [
        *(ROOT / "fer_core").glob("*/**/__init__.py"),
        *(ROOT / "fer_cli").rglob("__init__.py"),
    ]:
        body = ast.parse(path.read_text()).body
        assert isinstance(body[0], ast.Expr) and ast.get_docstring(ast.parse(path.read_text())), (
            path
        )
        if path.parent == ROOT / "fer_core" / "predict":
            loaded = [node.module for node in body if isinstance(node, ast.ImportFrom)]
            assert loaded == ["typing"] and not any(isinstance(node, ast.Import) for node in body)
        else:
            assert len(body) == 1, path


def test_package_file_of_the_stages_only_sets_the_environment() -> None:
    """It is no dependency of any stage in dvc.yaml: which instructions it chooses is held by
    `tests/stages/test_portable.py`, and nothing else in it may change a result."""
    defined = ast.parse((ROOT / "stages/__init__.py").read_text()).body
    found = [node.names for node in defined if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [name.name for names in found for name in names] == ["os", "platform", "Path"]
    assert not [node for node in defined if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def test_every_stage_file_is_run_by_a_stage_of_the_pipeline_and_the_reverse() -> None:
    files = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "entry"}
    assert set(stages().values()) == {f"stages.{name}" for name in files}


def test_a_stage_has_the_name_of_its_file_alone_or_followed_by_what_it_runs_it_for() -> None:
    for name, module in stages().items():
        assert module is not None
        file = module.removeprefix("stages.")
        assert name == file or name.startswith(f"{file}_")


@pytest.mark.parametrize("stage", stages())
def test_every_stage_says_what_it_does_and_declares_its_code(stage: str) -> None:
    body = document()["stages"][stage]
    body = body.get("do", body)
    assert len(body["desc"]) > 40
    module = stages()[stage]
    assert module is not None and f"{module.replace('.', '/')}.py" in body["deps"]
    code = {
        dep
        for dep in body["deps"]
        if dep.split("/")[0] in ("fer_core", "stages") and "${" not in dep
    }
    per_item = [dep for dep in body["deps"] if dep.endswith(".py") and "${" in dep]
    assert code == set(code_deps(module, ROOT, per_item))


def test_dvc_yaml_is_in_step_with_params_and_code() -> None:
    text = (ROOT / "dvc.yaml").read_text()
    assert synced(text, read_params(ROOT / "params.yaml"), ROOT) == text


def test_expensive_stages_have_cached_outs_only() -> None:
    """One uncached out would keep DVC's run-cache from restoring the stage on another machine."""
    for name, body in document()["stages"].items():
        outs = body.get("do", body).get("outs", [])
        if name not in ("latency", "report"):
            assert all(isinstance(out, str) for out in outs), name
            measured = body.get("do", body).get("metrics", [])
            assert not measured or name in TRUST, name


def test_no_stage_depends_on_a_folder_of_several_outs() -> None:
    outs, deps = set(), set()
    for body in document()["stages"].values():
        body = body.get("do", body)
        outs |= {out if isinstance(out, str) else next(iter(out)) for out in body.get("outs", [])}
        deps |= set(body["deps"])
    for dep in deps:
        below = [out for out in outs if out.startswith(f"{dep}/")]
        assert not below, f"{dep} holds the outs {below}"


def test_nothing_persists_is_frozen_or_always_runs() -> None:
    text = (ROOT / "dvc.yaml").read_text()
    assert not any(word in text for word in ("persist:", "frozen:", "always_changed:"))


def test_every_section_of_params_is_declared_by_a_stage() -> None:
    declared = set()
    for body in document()["stages"].values():
        read = body.get("do", body).get("params", [])
        if "${item.own}" in read:
            read = [*read, *(item["own"] for item in body["foreach"].values())]
        declared |= {param.split(".")[0] for param in read if not param.startswith("${")}
    assert declared | set(OPTIONAL_SECTIONS) == set(SECTIONS)


def test_params_are_a_fixed_point_of_the_round_trip_that_dvc_makes() -> None:
    """`dvc exp run -S` rewrites the file with ruamel: a style that it changes would show up in
    every diff.
    """
    import io

    round_trip = YAML(typ="rt")
    for path in (ROOT / "params.yaml", *(ROOT / "profiles").glob("*.yaml")):
        stream = io.StringIO()
        round_trip.width = 4096
        round_trip.dump(round_trip.load(path), stream)
        changed = [
            (before, after)
            for before, after in zip(
                path.read_text().split(), stream.getvalue().split(), strict=False
            )
            if before != after
        ]
        assert not changed, path


def test_ci_and_makefile_install_from_hashed_locks_that_name_no_host() -> None:
    for name in ("requirements.lock", "requirements-uv.lock"):
        text = (ROOT / name).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_the_pipeline_file_stays_one_that_a_person_reads() -> None:
    """Each list of deps is a paragraph: data first, then code."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    assert all(len(line) <= 140 for line in text.splitlines())
    assert "deps:\n" not in text
