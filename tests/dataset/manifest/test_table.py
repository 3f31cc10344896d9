from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.dataset.manifest.table import read_clusters, write_manifest
from fer_core.evaluation.metrics.clusters import cluster_codes
from tests.arrange_logits import DEV, TEST, frame, manifest_of


def test_rows_of_one_picture_are_one_cluster(tmp_path: Path) -> None:
    test = frame(TEST)
    ids = test["sample_id"].tolist()
    write_manifest(
        tmp_path / "manifest.parquet",
        manifest_of(test, duplicate_of={ids[2]: ids[0], ids[5]: ids[0], ids[9]: ids[8]}),
    )
    found = read_clusters(tmp_path / "manifest.parquet", ids[:6])
    assert found == {ids[2]: ids[0], ids[5]: ids[0]}
    assert cluster_codes(ids[:6], found).tolist() == [0, 1, 0, 2, 3, 0]
    assert cluster_codes(ids[1:6], found).tolist() == [0, 1, 2, 3, 1], (
        "also where the first row is not among them"
    )


def test_rows_of_another_manifest_are_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.parquet", manifest_of(frame(DEV)))
    with pytest.raises(ArtifactError, match="does not hold a row") as caught:
        read_clusters(tmp_path / "manifest.parquet", ["somewhere/else.png"])
    assert "somewhere/else.png" in str(caught.value)


def test_a_cluster_is_what_pictures_and_groups_connect(tmp_path: Path) -> None:
    """Rows 0 and 1 are of one photo, rows 1 and 2 show one picture, row 3 is of row 2's session."""
    test = frame(TEST)
    ids = test["sample_id"].tolist()
    groups = ["photo", "photo", "session", "session", *ids[4:]]
    test = test.assign(group=groups)
    write_manifest(tmp_path / "m.parquet", manifest_of(test, duplicate_of={ids[2]: ids[1]}))
    found = read_clusters(tmp_path / "m.parquet", ids[:6])
    assert found == dict.fromkeys(ids[1:4], ids[0])
    assert cluster_codes(ids[:6], found).tolist() == [0, 0, 0, 0, 1, 2]
    assert read_clusters(tmp_path / "m.parquet", [ids[5], ids[3], ids[1], ids[2]]) == {
        ids[1]: ids[3],
        ids[2]: ids[3],
    }
