"""The protocol's data: what the page counts from a manifest of official size."""

from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import pytest

from bench.protocol_data_bench import FINAL, ORIGINAL, SOURCES, bridge, named_sets, original_counts
from bench.protocol_trees import EXPW_HQ, render_trees
from fer_core.base.reading import read_yaml
from fer_core.pixels.opencv import cv2
from tests.shipped import ROOT

USAGE = {"rafml_argmax": ("0", "", "1"), "expw": ("", "", "")}
SMALL = ("fer2013_uniform_7", "ferplus_folders")


@pytest.fixture(scope="module")
def manifest() -> pd.DataFrame:
    """Every face of the official data sets, in the split that it is brought in; a tenth of ExpW's in
    test."""
    parts = []
    for source in SOURCES:
        usage = USAGE.get(source, ("train", "val", "test"))
        count = sum(ORIGINAL[source])
        words = np.repeat(usage, ORIGINAL[source])
        parts.append(
            pd.DataFrame(
                {
                    "source": source,
                    "usage": words,
                    "split": np.where(np.isin(words, ["test", "1"]), "test", "train"),
                    "min_side": 48 if source in SMALL else 100,
                    "confidence": np.where(np.arange(count) < EXPW_HQ, 75.0, 45.0)
                    if source == "expw"
                    else np.nan,
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    copies = frame.index[(frame["source"] == "ferplus_folders") & (frame["usage"] == "val")]
    frame.loc[copies[:3], "split"] = "dropped"
    frame.loc[(frame["source"] == "expw") & (frame.index % 10 == 0), "split"] = "test"
    return frame.assign(
        sample_id=frame.index.astype(str),
        label=0,
        reason=np.where(frame["split"] == "dropped", "twin_in_test", ""),
    )


def test_official_faces_give_the_replaced_systems_counts(manifest: pd.DataFrame) -> None:
    lines = {line["what"].partition(":")[0]: line for line in original_counts(manifest)}
    assert len(manifest) == 466_284
    for source in set(SOURCES) - {"expw"}:
        assert tuple(lines[source]["here"]) == ORIGINAL[source]
    for line in lines.values():  # ExpW and the carve round differently, by rows and not by more
        assert sum(line["here"]) == sum(line["table"]), line
        assert max(abs(a - b) for a, b in zip(line["here"], line["table"], strict=True)) <= 4
    assert sum(lines["eval_only"]["table"]) == 134_030
    assert sum(lines["hq_train"]["table"]) == 259_004


def test_every_face_of_a_named_set_is_accounted_for(manifest: pd.DataFrame) -> None:
    named = named_sets(manifest, read_yaml(ROOT / "profiles/protocol.yaml"))
    sets = {str(line["name"]): line for line in named}
    for line in sets.values():
        assert sum(line["final"]) + sum(line["dropped"].values()) == line["of"]
    assert sets["hq_train"]["of"] == 259_004
    assert sets["stage_b"]["of"] == 259_004 - 138_526, "FERPlus is of 48 pixels"
    assert sets["hq_train"]["dropped"] == {"twin_in_test": 3}
    assert sets["unified"]["of"] == sets["test_all_sources"]["of"] == 466_284
    for name in ("rafdb_test", "affectnet_full_balanced", "ferplus_folders", "fer2013_uniform_7"):
        assert sets[name]["rows"] == sets[name]["declared"]


def test_the_page_shows_them(manifest: pd.DataFrame) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "bench"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["thousands"] = "{:,}".format
    page = environment.get_template("protocol_data.md.j2").render(
        commit="c",
        machine="m",
        share=1,
        rows=len(manifest),
        readers={},
        original=original_counts(manifest),
        bridges=[bridge(manifest, name) for name in SOURCES],
        named=named_sets(manifest, read_yaml(ROOT / "profiles/protocol.yaml")),
        reasons={"twin_in_test": 3},
    )
    tables = [block for block in page.split("\n\n") if block.lstrip().startswith("|")]
    assert len(tables) == 3 and len(FINAL) == 4
    for table in tables:
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1, table
    assert "| hq_train | 259,004 |" in page


def test_small_data_sets_are_drawn_small(tmp_path: Path) -> None:
    drawn = render_trees(tmp_path, 0.00001)
    sides = {
        path.relative_to(tmp_path).parts[0]: cv2.imread(str(path)).shape[0]
        for path in tmp_path.rglob("*.jpg")
    }
    assert drawn >= len(sides) == len(SOURCES)
    assert {name for name, side in sides.items() if side == 48} == set(SMALL)
