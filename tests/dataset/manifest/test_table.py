from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.dataset.manifest.table import picture_codes, read_duplicates, write_manifest
from tests.arrange_logits import DEV, TEST, frame, manifest_of


def test_rows_that_repeat_a_picture_are_found_and_share_its_number(tmp_path: Path) -> None:
    test = frame(TEST)
    ids = test["sample_id"].tolist()
    write_manifest(
        tmp_path / "manifest.parquet",
        manifest_of(test, duplicate_of={ids[2]: ids[0], ids[5]: ids[0], ids[9]: ids[8]}),
    )
    found = read_duplicates(tmp_path / "manifest.parquet", ids[:6])
    assert found == {ids[2]: ids[0], ids[5]: ids[0]}
    assert picture_codes(ids[:6], found).tolist() == [0, 1, 0, 2, 3, 0]
    assert picture_codes(ids[1:6], found).tolist() == [0, 1, 2, 3, 1], (
        "also where the first row is not among them"
    )


def test_rows_of_another_manifest_are_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.parquet", manifest_of(frame(DEV)))
    with pytest.raises(ArtifactError, match="does not hold a row") as caught:
        read_duplicates(tmp_path / "manifest.parquet", ["somewhere/else.png"])
    assert "somewhere/else.png" in str(caught.value)
