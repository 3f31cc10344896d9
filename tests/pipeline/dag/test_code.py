from pathlib import Path

from fer_core.pipeline.dag.code import code_deps


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
