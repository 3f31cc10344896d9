from copy import deepcopy
from pathlib import Path

from fer_core.pipeline.dag.cleaning import sections_read
from fer_core.pipeline.dag.dag import synced
from tests.pipeline.dag.pipelines import PARAMS, stages
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT


def test_a_data_set_depends_on_its_own_reader_and_params_alone() -> None:
    params = deepcopy(PARAMS)
    params["manifest"]["sources"] = ["rafdb_basic", "expw", "sample_expw", "affectnet_yolo_format"]
    params["clean"]["affectnet"] = {"pad_ratio": 0.1}
    found = stages(synced(TEXT, params, ROOT))["clean"]
    reader, renderer = "fer_core/sources/layouts/expw.py", "fer_core/sample"
    assert found["foreach"] == {
        "rafdb_basic": {
            "layout": "rafdb_basic",
            "options": "max_pixels",
            "crops": "max_pixels",
            "origin": "fer_core/sources/layouts/rafdb_basic.py",
        },
        "expw": {"layout": "expw", "options": "expw", "crops": "crops", "origin": reader},
        "sample_expw": {"layout": "expw", "options": "expw", "crops": "crops", "origin": renderer},
        "affectnet_yolo_format": {
            "layout": "affectnet_yolo",
            "options": "affectnet",
            "crops": "crops",
            "origin": "fer_core/sources/layouts/affectnet_yolo.py",
        },
    }
    deps = found["do"]["deps"]
    assert "fer_core/sources/layouts/${item.layout}.py" in deps and "${item.origin}" in deps
    shared = [dep for dep in deps if "${" not in dep]
    assert "fer_core/sources/files" in shared
    assert not any("layouts" in dep or "sample" in dep for dep in shared)
    assert found["do"]["params"] == [
        "clean.allow_undecodable",
        "clean.max_pixels",
        "clean.${item.crops}",
        "clean.${item.options}",
    ]


def test_what_a_reader_reads_of_params_is_seen_in_its_code(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(
        "def scan(options):\n    return options.expw.pad_ratio, options.crops, options.max_pixels\n"
    )
    assert sections_read(tmp_path / "reader.py") == ["crops", "expw"]
    for reader in (ROOT / "fer_core/sources/layouts").glob("*.py"):
        assert len(set(sections_read(reader)) - {"crops"}) <= 1, (
            f"{reader.name}: a stage declares one section besides crops"
        )
