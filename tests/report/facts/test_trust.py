"""What is said of how far the numbers may be trusted."""

from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.report.facts import trust
from stages import report
from tests.artifacts import rewrite
from tests.report.reading import Page, words


def checks() -> dict[str, bool]:
    """The first words of each check, and whether it is a reason to trust."""
    report.main()
    page = Page(Path("data/report/index.html"))
    return {
        words(item.b): "good" in item["class"]
        for item in page.soup.select(".checks li")
        if item.b is not None
    }


def test_reasons_for_care_come_first_and_follow_the_artifacts(project: Path) -> None:
    found = checks()
    assert list(found.values()) == sorted(found.values())
    assert found["Real faces"] and found["2 trainings of each method"] and found["No leak found"]
    assert found["The best student is deployed"] and found["Files answer like the network"]


def test_one_seed_is_a_reason_for_care(project: Path) -> None:
    for key in ("ce-2", "kd-2"):
        assert (project / "data" / "students" / key).is_dir()
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("seeds: [1, 2]", "seeds: [1]"))
    comparison = Path("data/comparison/comparison.json")
    values = read_json(comparison)
    values["runs"] = [run for run in values["runs"] if not run["key"].endswith("-2")]
    rewrite(comparison, values)
    assert checks()["One training of each method"] is False


def test_a_trial_with_a_few_faces_is_a_reason_for_care_and_has_fewer_than_the_gate(
    project: Path,
) -> None:
    gate, params = Path("data/validation.json"), Path("params.yaml")
    values = read_json(gate)
    values["rows_by_split"]["val"] += 5
    write_json(gate, values)
    with pytest.raises(ArtifactError, match="val rows of the evaluations and of the gate"):
        checks()
    params.write_text(params.read_text() + "pack: {shard_megabytes: 1, most_per_class: 3}\n")
    assert checks()["A trial"] is False
    values["rows_by_split"]["val"] -= 6
    write_json(gate, values)
    with pytest.raises(ArtifactError, match="val rows of the evaluations and of the gate"):
        checks()


def test_drawn_faces_are_a_reason_for_care(project: Path) -> None:
    gate = Path("data/validation.json")
    gate.write_text(gate.read_text().replace("rafdb_basic", "sample_rafdb"))
    assert checks()["Drawn faces"] is False


def test_curves_that_still_rise_are_a_reason_for_care(project: Path) -> None:
    history = Path("data/students/kd-1/record/history.csv")
    lines = history.read_text().splitlines()
    column = lines[0].split(",").index("val_macro_f1")
    last = lines[-1].split(",")
    last[column] = "0.9"
    history.write_text("\n".join([*lines[:-1], ",".join(last)]) + "\n")
    assert checks()["Short training"] is False


def test_what_faces_from_elsewhere_cost_is_said_of_the_data_set_that_loses_most() -> None:
    def cell(lost: float) -> dict[str, Any]:
        found = {"value": lost, "low": lost - 0.05, "high": lost + 0.05}
        return {"difference": {"accuracy": found}}

    cells = {"none": {}, "a": {"a": cell(-0.02), "b": cell(-0.5)}, "b": {"b": cell(-0.08)}}
    check = trust._elsewhere({"cells": cells, "seeds": 1})
    assert check is not None and check.good and check.title.endswith("cost little")
    assert "2 data sets" in check.words and "b loses most" in check.words
    assert "-0.080 (-0.130 to -0.030), of one training" in check.words
    cells["b"] = {"b": cell(-0.12)}
    check = trust._elsewhere({"cells": cells, "seeds": 3})
    assert check is not None and not check.good and "of one training" not in check.words
    assert trust._elsewhere(None) is None
    assert trust._elsewhere({"n": 9, "reason": "there is only one data set to learn from"}) is None
