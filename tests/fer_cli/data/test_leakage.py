"""The leakage page says what the gate's report says."""

from pathlib import Path

import pytest

from fer_cli.data.leakage import leakage_page
from fer_core.base.errors import ArtifactError

OPTIONS = {"near_duplicate_bits": 8, "near_duplicate_correlation": 0.95}


def groups(n: int) -> dict[str, int]:
    return {
        "groups": n,
        "extra_copies": n + 1,
        "contradictory_groups": n + 2,
        "across_usages": n + 4,
        "largest": n + 3,
    }


def report() -> dict:
    both = {"exact": groups(10), "exact_and_near": groups(20)}
    return {
        "manifest_sha256": "f" * 64,
        "rows_total": 5000,
        "rows_by_split": {"train": 3000, "val": 400, "calib": 400, "test": 1000, "dropped": 200},
        "leaks": 0,
        "usages": {"a": {"Training": 300, "PublicTest": 20}, "b": {"": 7}},
        "twins": {
            **both,
            "near_candidates": 77,
            "near_pairs": 66,
            "by_source": {"a": {"exact": groups(1), "exact_and_near": groups(2)}},
        },
        "dropped": {
            "by_reason": {"twin_in_test": 150, "non_face": 50},
            "by_source_reason": {"a": {"twin_in_test": 150}, "b": {"non_face": 50}},
        },
    }


@pytest.fixture(autouse=True)
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("seed: 1\n")


def test_every_number_is_the_reports():
    page = leakage_page("T", report(), OPTIONS)
    assert "| all sources together | exact | 10 | 11 | 12 | 14 | 13 |" in page
    assert "| a | exact and near | 2 | 3 | 4 | 6 | 5 |" in page
    assert "| twin_in_test | 150 | 0 | 150 |" in page
    assert "within 8 bits, correlation 0.95 (77 candidate pairs, 66 confirmed)" in page
    assert "3,000 train" in page and "dropped: 200" in page


def test_a_report_of_an_older_version_is_named():
    old = report()
    del old["leaks"]
    with pytest.raises(ArtifactError, match=r"(?s)lacks a key.*validation\.json.*leaks"):
        leakage_page("T", old, OPTIONS)


def test_parts_of_the_table_that_are_there_and_that_are_not_are_named_beside_the_count_of_the_whole():
    page = leakage_page("T", report(), OPTIONS)
    assert "- a holds 300 Training, 20 PublicTest; PrivateTest is not there" in page
    assert "- b holds 7 faces\n" in page
    assert "1,516 groups, 1,853 extra copies, 57" in page
    other = report() | {"usages": {"a": {"train": 300, "test": 20}}}
    page = leakage_page("T", other, OPTIONS)
    assert "- a holds 300 train, 20 test\n" in page and "1,516" not in page
