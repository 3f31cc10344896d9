"""The page of how far to trust a network says what the records say."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from fer_cli.results.pages import trust_page
from fer_cli.results.trust import render_trust
from fer_core.base.files import read_json
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.robustness.robustness import (
    Faces,
    RobustnessOptions,
    measure_robustness,
)
from tests.report.conftest import artifacts, project

__all__ = ["artifacts", "project"]


def tables(page: str) -> list[list[list[str]]]:
    """Cells of every table; a blank line or a missing cell would break one."""
    blocks = [block for block in page.split("\n\n") if block.startswith("|")]
    found = [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.strip().splitlines()]
        for block in blocks
    ]
    for block, table in zip(blocks, found, strict=True):
        assert len({len(cells) for cells in table}) == 1 and len(table) > 2, block
    return found


def text_of(interval: dict[str, float]) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"


def test_every_record_of_a_run_has_its_numbers_and_pictures(project: Path) -> None:
    found = trust_page("How far", Path("pages/far.md"))
    page = found.pop(Path("pages/far.md"))
    rows = {cells[0]: cells for table in tables(page) for cells in table}
    selective = read_json(Path("metrics/selective.json"))
    for label, one in selective["sets"]["classes"].items():
        assert rows[label][1] == f"{one['n']:,}"
        assert rows[label][2] == (
            text_of(one["holds_label"]) if "holds_label" in one else one["reason"]
        )
    for risk, aimed in selective["abstain"].items():
        assert rows[f"{100 * float(risk):.0f} %"][4] == text_of(selective["coverage_at"][risk])
        assert aimed.get("reason", "") in page
    hard = read_json(Path("metrics/robustness.json"))
    for name, error in hard["mce_by_corruption"].items():
        assert rows[name.replace("_", " ")][1] == text_of(error)
    assert found and not re.search(r"\bNone\b|\bnan\b|\{\{|undefined", page)
    for path, picture in found.items():
        assert f"]({path.name})" in page and path.parent == Path("pages")
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_what_was_refused_has_its_reason_and_no_number() -> None:
    records = {
        "robustness": {"rows": 9, "set": "s", "clean": {"n": 9, "reason": "all black"}}
        | {"corruptions": {"blur": {"1": {"n": 9, "reason": "all black"}}}},
        "ambiguity": {"n": 0, "reason": "no test row has votes"},
        "fairness": {"n": 0, "reason": "no subgroup is recorded"},
        "cross_dataset": {"n": 1, "reason": "one data set"},
    }
    found = render_trust("t", "- made\n", records, Path("t.md"))
    page = found.pop(Path("t.md"))
    assert not found
    for words in ("all black", "no test row has votes", "no subgroup is recorded", "one data set"):
        assert f"No numbers: {words}." in page
    assert "When not to answer" not in page


def test_a_corruption_that_leaves_too_few_faces_is_named_with_its_reason(tmp_path: Path) -> None:
    chequered = np.indices((48, 48)).sum(axis=0) % 2  # even grey where it is blurred
    images = [
        (100 + n + 20 * chequered).astype(np.uint8)[..., None].repeat(3, 2) for n in range(14)
    ]
    record = measure_robustness(
        Faces(images, [f"f{n}" for n in range(14)], np.arange(14) % 7, np.arange(14)),
        lambda given: np.eye(7)[[int(image.mean()) % 7 for image in given]],
        RobustnessOptions(rows=14, strengths=(1, 5), corruptions=("blur", "shift", "rotation")),
        EvaluationOptions(bootstrap=100, bins=5, compare_set="s"),
        seed=1,
    )
    few = record["corruptions"]["blur"]["5"]
    assert few["n"] == 14
    records: dict[str, Any] = {"robustness": {"set": "s"} | record}
    page = render_trust("t", "- made\n", records, tmp_path / "t.md")[tmp_path / "t.md"]
    (table,) = tables(page)
    assert {cells[0] for cells in table[2:]} == set(record["mce_by_corruption"])
    errors = [float(cells[1].split()[0]) for cells in table[2:]]
    assert errors == sorted(errors, reverse=True) and errors, "the worst comes first"
    assert f"blur, strength 5: 14 faces: {few['reason']}." in page
