"""The protocol's data at official sizes: drawn faces in the official layouts, through the official
readers and `profiles/protocol.yaml` to the pack, counted as the replaced system counted and as
ours counts.

Run: python -m bench.protocol_data_bench --work FOLDER --out docs/results/protocol-data.md (about
10 GB there, and an hour on two cores; --share 0.01 takes a minute and says what would be there)
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import jinja2
import pandas as pd
import typer
import yaml
from tqdm import tqdm

from bench.protocol_trees import FOLDERS, render_trees
from bench.scale_bench import ROOT, dvc, run
from fer_core.base.files import read_json, write_text
from fer_core.base.machine import cpu_model, usable_cores
from fer_core.base.reading import read_yaml
from fer_core.dataset.pack.named_sets import SetFilter, select

SOURCES = (
    "fer2013_uniform_7",
    "ferplus_folders",
    "expw",
    "affectnet_full_balanced",
    "rafdb_basic",
    "rafml_argmax",
    "rafdb_compound_mapped",
)
ORIGINAL = {  # rows of train, val and test by source, in tables of the replaced system
    "fer2013_uniform_7": (112_000, 14_000, 14_000),
    "ferplus_folders": (116_758, 14_682, 7_086),
    "expw": (73_434, 9_180, 9_179),
    "affectnet_full_balanced": (57_414, 0, 14_350),
    "rafdb_basic": (12_271, 0, 3_068),
    "rafml_argmax": (3_926, 0, 982),
    "rafdb_compound_mapped": (3_162, 0, 792),
}
HQ, EXPW_HQ = ("ferplus_folders", "rafdb_basic", "affectnet_full_balanced"), (26_701, 3_338, 3_336)
SPLITS = ("train", "val", "test")
RAFML_SPLITS = {"0": "train", "1": "test"}
FINAL = ("train", "val", "calib", "test")


def main(
    work: Annotated[Path, typer.Option(help="folder that is made anew")],
    out: Annotated[Path | None, typer.Option(help="write the page here")] = None,
    share: Annotated[float, typer.Option(help="of the official numbers")] = 1.0,
    again: Annotated[
        bool, typer.Option("--again", help="only write a finished run's page")
    ] = False,
) -> None:
    """Draw the trees, run the data stages, and write the page."""
    project = work / "project"
    if not again:
        make(work, project, share)
    manifest = pd.read_parquet(project / "data/manifest.parquet")
    readers = {name: read_json(project / f"data/sources/{name}.json")["layout"] for name in SOURCES}
    page = written(manifest, project, readers, share)
    if out is None:
        print(page)
    else:
        write_text(out, page)


def make(work: Path, project: Path, share: float) -> None:
    """The trees, and a clone with the profile in which the data stages have run."""
    shutil.rmtree(work, ignore_errors=True)
    raw = work / "raw"
    faces = render_trees(raw, share)
    subprocess.run(["git", "clone", "--quiet", "--local", ROOT, project], check=True)
    fer = str(Path(sys.executable).parent / "fer")
    run(project, raw, [fer, "profile", "use", "protocol"])
    for name in tqdm(SOURCES, desc="fer data add"):
        run(project, raw, [fer, "data", "add", name, str((raw / name).resolve())])
    if share != 1:
        _ask_for_less(project / "params.yaml")
    dvc(project, raw, "repro", "pack")
    found = len(pd.read_parquet(project / "data/manifest.parquet", columns=["sample_id"]))
    if found != faces:
        raise SystemExit(f"{faces} faces were drawn, and {found} are in the manifest")


def _ask_for_less(file: Path) -> None:
    """The gate asks for the official numbers, which a trial does not have."""
    params = read_yaml(file)
    params["validate"] = {"min_per_class": dict.fromkeys(FINAL, 1)}
    for chosen in params["sets"].values():
        chosen.pop("rows", None)
    file.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def written(manifest: pd.DataFrame, project: Path, readers: dict[str, str], share: float) -> str:
    """The page."""
    params = read_yaml(project / "params.yaml")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template("protocol_data.md.j2").render(
        commit=commit,
        machine=f"{usable_cores()} cores of {cpu_model()}",
        share=share,
        rows=len(manifest),
        readers=readers,
        original=original_counts(manifest),
        bridges=[bridge(manifest, name) for name in SOURCES],
        named=named_sets(manifest, params),
        reasons=manifest.loc[manifest["split"] == "dropped", "reason"].value_counts().to_dict(),
    )


def original_counts(manifest: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of the replaced system's manifests: as its tables have them, and by its rules from the
    faces that our readers found.
    """
    found = {name: official(manifest, name) for name in SOURCES}
    sure = (manifest["source"] == "expw") & (manifest["confidence"] >= 60)
    hq = {name: found[name] for name in HQ} | {"expw_hq": expw_split(int(sure.sum()))}
    of_hq = [sum(counts[i] for counts in hq.values()) for i in range(3)]
    carved = sum(
        round(0.05 * found[name][0]) for name in ("rafdb_basic", "affectnet_full_balanced")
    )
    tests = [sum(counts) for counts in zip(*found.values(), strict=True)]
    only = [found[name] for name in ("expw", "rafdb_compound_mapped", "rafml_argmax")]
    of_only = [sum(counts) for counts in zip(*only, hq["expw_hq"], strict=True)]
    lines = [
        {"what": name, "table": ORIGINAL[name], "here": found[name], "layout": name}
        for name in SOURCES
    ]
    lines += [
        {"what": "unified", "table": (378_965, 37_862, 49_457), "here": tests},
        {"what": "expw_hq (confidence 60 and more)", "table": EXPW_HQ, "here": hq["expw_hq"]},
        {"what": "hq_train", "table": (213_144, 18_020, 27_840), "here": of_hq},
        {
            "what": "hq_train as loaded: 5 % of RAF-DB and AffectNet carved into val",
            "table": (209_661, 21_503, 27_840),
            "here": (of_hq[0] - carved, of_hq[1] + carved, of_hq[2]),
        },
        {
            "what": "eval_only: faces of ExpW of confidence 60 and more twice",
            "table": (107_223, 12_518, 14_289),
            "here": of_only,
        },
    ]
    return lines


def official(manifest: pd.DataFrame, name: str) -> tuple[int, ...]:
    """Rows of a source by the split that it brings; ExpW brings none and was cut .8/.1/.1."""
    rows = manifest[manifest["source"] == name]
    if name == "expw":
        return expw_split(len(rows))
    counts = rows["usage"].replace(RAFML_SPLITS).value_counts()
    return tuple(int(counts.get(split, 0)) for split in SPLITS)


def expw_split(count: int) -> tuple[int, int, int]:
    """Train, val and test of ExpW's faces as the replaced system cut them."""
    train, val = int(0.8 * count), round(0.1 * count)
    return train, val, count - train - val


def bridge(manifest: pd.DataFrame, name: str) -> dict[str, object]:
    """From the split that a source brings to our final one: rows of each pair, and what dropped."""
    rows = manifest[manifest["source"] == name]
    brought = rows["usage"].replace({"": "none"} | RAFML_SPLITS)
    lines = []
    for split, of_split in rows.groupby(brought, sort=False):
        counts = of_split["split"].value_counts()
        dropped = of_split.loc[of_split["split"] == "dropped", "reason"].value_counts()
        lines.append(
            {
                "brought": split,
                "rows": len(of_split),
                "final": [int(counts.get(final, 0)) for final in FINAL],
                "dropped": {str(reason): int(count) for reason, count in dropped.items()},
            }
        )
    return {"source": name, "lines": lines, "tops": FOLDERS.get(name)}


def named_sets(manifest: pd.DataFrame, params: dict[str, object]) -> list[dict[str, object]]:
    """Rows of every named set of the profile, the number that it declares, and where all faces went
    that its filters let pass whatever their split.
    """
    sets = params["sets"]
    assert isinstance(sets, dict)
    whole = manifest.assign(split="test")
    lines = []
    for name, values in sets.items():
        one = SetFilter.model_validate(values)
        passed = manifest[select(whole, one.model_copy(update={"split": None}), name)]
        counts = passed["split"].value_counts()
        dropped = passed.loc[passed["split"] == "dropped", "reason"].value_counts()
        lines.append(
            {
                "name": name,
                "rows": int(select(manifest, one, name).sum()),
                "declared": one.rows,
                "of": len(passed),
                "final": [int(counts.get(final, 0)) for final in FINAL],
                "dropped": {str(reason): int(count) for reason, count in dropped.items()},
            }
        )
    return lines


if __name__ == "__main__":
    typer.run(main)
