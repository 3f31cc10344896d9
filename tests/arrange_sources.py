"""A tiny training project whose faces are of several data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.dataset.manifest.table import write_manifest
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from tests.arrange_logits import manifest_of
from tests.stages.training import edit_params, enter, write_training_project
from tests.tiny import dev_splits, write_half

DEV, TEST = Path("data/pack/dev"), Path("data/pack/test")


def write_project(root: Path, patch: pytest.MonkeyPatch, **tested: int) -> None:
    """Data sets with so many test rows each, and as many train rows as 21 times their place; then
    parameters that leave out all of them, and a manifest without twins.
    """
    enter(root, patch)
    write_training_project(root)
    dev = {name: dev_splits(21 * place, 14, 7) for place, name in enumerate(tested, start=2)}
    write_sources(DEV, dev)
    write_sources(TEST, {name: ["test"] * count for name, count in tested.items() if count})
    edit_params(
        manifest={"sources": [*tested]},
        cross_dataset={"left_out": "all", "rows": 14},
    )
    connect({})


def write_sources(folder: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """A half of the pack with the rows of several data sets, named `a/train00000` by their data set
    and split.
    """
    parts = []
    for seed, (name, some) in enumerate(splits.items()):
        write_half(folder.with_name(f"{folder.name}-{name}"), [*some], seed, name)
        parts.append(Pack.open(folder.with_name(f"{folder.name}-{name}")))
    frame = pd.concat([part.rows.frame for part in parts], ignore_index=True)
    number = frame["sample_id"].str.split("/").str[1]
    names = frame["source"] + "/" + frame["split"] + number
    frame = frame.assign(sample_id=names, group=names)
    images = [part.image(row) for part in parts for row in range(len(part))]
    order = np.argsort(frame["sample_id"].to_numpy(dtype=str), kind="stable")
    write_pack(
        folder,
        frame.iloc[order].reset_index(drop=True).drop(columns=["shard", "shard_row"]),
        lambda row: images[order[row]],
        np.array([len(images[row]) for row in order]),
        PackOptions(shard_megabytes=1),
    )


def connect(duplicate_of: dict[str, str], groups: Mapping[str, str] | None = None) -> None:
    """The manifest of both halves, in which rows repeat the picture of another or share a group;
    rows that no half holds were dropped.
    """
    halves = [Pack.open(half).rows.frame for half in (DEV, TEST)]
    kept = set(pd.concat(halves)["sample_id"])
    asked = [*duplicate_of, *duplicate_of.values(), *(groups or {})]
    dropped = halves[0].iloc[:0].reindex(range(len(new := sorted(set(asked) - kept))))
    first = halves[0].iloc[[0] * len(new)].reset_index(drop=True)
    dropped = first.assign(sample_id=new, group=new, split="dropped")
    manifest = manifest_of(*halves, dropped, duplicate_of=duplicate_of)
    manifest["source"] = manifest["sample_id"].str.split("/").str[0]
    for key, group in (groups or {}).items():
        manifest.loc[manifest["sample_id"] == key, "group"] = group
    manifest = manifest.sort_values("sample_id", ignore_index=True)
    write_manifest(Path("data/manifest.parquet"), manifest)
