"""Parameters of the trainings that leave a data set out: section `cross_dataset`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from fer_core.base.params import Section, each_once
from fer_core.base.paths import NONE_LEFT_OUT

__all__ = ["CrossDatasetOptions", "learned_sources", "trainings_of"]


class CrossDatasetOptions(Section):
    """Data sets left out of the training one at a time, to see what a student makes of faces from
    elsewhere.

    Attributes:
        left_out: names of data sets, or "all" for every one that students learn from. Each costs a
            training, and one more leaves none out, to compare with. [] trains none: in the sample
            five trainings would make the default run longer by more than a minute.
        method: one of `student.methods` that learns from labels alone and from initial weights:
            teachers and other students have seen the data set that is left out.
        seeds: so many of `student.seeds`, the first ones; each is a training more for every data
            set. Only with two or more do the intervals allow for other seeds.
        epochs: of each of these trainings; null takes the method's. All take as many steps an epoch
            as the one with the fewest rows.
        rows: a data set of fewer test rows has no numbers and is not left out.
    """

    left_out: Literal["all"] | Annotated[tuple[str, ...], each_once()] = ()
    method: str = "ce"
    seeds: Annotated[int, Field(ge=1)] = 1
    epochs: Annotated[int | None, Field(ge=1)] = None
    rows: Annotated[int, Field(ge=1)] = 100


def learned_sources(params: Mapping[str, Any]) -> list[str]:
    """Data sets that students may learn from, as a parameter file lists them.

    Args:
        params: all of the file, as plain values.
    """
    listed = params["manifest"]["sources"]
    chosen = (params.get("sets") or {}).get(params["student"].get("set")) or {}
    out = {*(params["manifest"].get("eval_only") or []), *(chosen.get("without") or [])}
    return [
        name for name in listed if name in (chosen.get("sources") or listed) and name not in out
    ]


def trainings_of(params: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Key of every training that a parameter file asks for, and its data set left out and seed;
    those that leave none out come first. None where the section names no data set, or where there
    is one alone.

    Args:
        params: all of the file, as plain values.
    """
    section, known = params.get("cross_dataset") or {}, learned_sources(params)
    wanted = section.get("left_out")
    if not wanted or len(known) < 2:
        return {}
    seeds = params["student"]["seeds"][: section.get("seeds", 1)]
    names = [NONE_LEFT_OUT, *(known if wanted == "all" else wanted)]
    return {f"{name}-{seed}": (name, seed) for name in names for seed in seeds}
