"""What a stranger finds at the top of the repository: licence, notices, citation, policy."""

import importlib.util
import platform
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def third_party():  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location("third_party", ROOT / "docs" / "third_party.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the notices are made where most packages are needed",
)
def test_every_package_that_is_needed_is_noticed_with_its_licence() -> None:
    module = third_party()
    text = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\S+) \| ([^|]+) \|", text, flags=re.M))
    for name, package in module.needed().items():
        assert listed.get(name) == module.licence_of(package).replace("|", "/"), (
            f"{name}: run `python docs/third_party.py`"
        )


def test_every_npm_package_in_the_page_is_noticed_with_its_licence() -> None:
    module = third_party()
    text = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    needed = module.of_the_page()
    assert {"onnxruntime-web", "fflate"} <= set(needed) and "vite" not in needed
    for name, (version, licence) in needed.items():
        assert f"| {name} {version} | {licence} |" in text, "run `python docs/third_party.py`"


def test_direct_requirements_are_among_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    for requirement in project["dependencies"]:
        name = re.match(r"[\w.-]+", requirement)[0]  # type: ignore[index]
        if name != "onnxruntime":  # instead of onnxruntime-gpu, on other systems
            assert f"| {name.replace('_', '-').replace('.', '-')} |" in text, name


def test_licence_citation_and_project_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
    assert project["license"] == citation["license"] == "Apache-2.0"
    assert project["version"] == citation["version"]
    assert [author["name"] for author in citation["authors"]] == ["fer-dag developers"]


def test_hooks_are_the_locked_tools() -> None:
    """No hook is fetched from elsewhere."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    for hook in hooks[0]["hooks"]:
        assert hook["entry"].startswith(".venv/bin/") and hook["language"] == "system"


def test_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ".ci/run" in steps
