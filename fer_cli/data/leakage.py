"""`fer manifest leakage`: twins, contradictions and leaks of the data, as Markdown, from the gate's
report and nothing else.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_text
from fer_core.base.params import PARAMS_FILE, read_params

__all__ = ["leakage", "leakage_page"]

_VALIDATION = Path("data/validation.json")
_FER2013 = ("Training", "PublicTest", "PrivateTest")
_WHOLE_FER2013 = (
    "An independent count of exact twins in all three parts of FER2013: 1,516 groups, 1,853 extra "
    "copies, 57 contradictory groups."
)


def leakage(
    out: Annotated[
        Path | None, typer.Option(help="Write the page here instead of printing it.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Duplicates and leakage",
) -> None:
    """Show which data sets share pictures, and what the manifest did about it."""
    page = leakage_page(title, read_json(_VALIDATION), read_params()["manifest"])
    if out is None:
        typer.echo(page)
        return
    write_text(out, page)
    typer.echo(f"wrote {out}")


def leakage_page(title: str, report: dict[str, Any], options: dict[str, Any]) -> str:
    """The page.

    Args:
        title: its heading.
        report: the gate's report, `data/validation.json`.
        options: section `manifest` of the parameters it was made with.

    Raises:
        ArtifactError: the report lacks a key.
    """
    try:
        twins, dropped = report["twins"], report["dropped"]
        near = (
            f"{options['near_duplicate_bits']} bits, correlation "
            f"{options['near_duplicate_correlation']}"
        )
        kept = ", ".join(
            f"{rows:,} {split}"
            for split, rows in report["rows_by_split"].items()
            if split != "dropped"
        )
        facts = [
            f"- manifest sha256 `{report['manifest_sha256'][:16]}`, parameters sha256 "
            f"`{sha256_file(PARAMS_FILE)[:16]}`",
            f"- faces: {report['rows_total']:,}; kept: {kept}; dropped: "
            f"{report['rows_by_split']['dropped']:,}",
            f"- exact twins have equal pixels; near twins lie within {near} "
            f"({twins['near_candidates']:,} candidate pairs, "
            f"{twins['near_pairs']:,} confirmed)",
            f"- leaks left among the kept rows: {report['leaks']:,}",
            *(
                f"- {source} holds {_parts_of(usages)}"
                for source, usages in report["usages"].items()
            ),
        ]
        kinds = [("all sources together", twins), *twins["by_source"].items()]
        rows = [
            f"| {name} | {what} | {found[key]['groups']:,} | {found[key]['extra_copies']:,} | "
            f"{found[key]['contradictory_groups']:,} "
            f"| {found[key]['across_usages']:,} | {found[key]['largest']:,} |"
            for name, found in kinds
            for what, key in (("exact", "exact"), ("exact and near", "exact_and_near"))
        ]
        sources = sorted(dropped["by_source_reason"])
        reasons = []
        for reason, total in dropped["by_reason"].items():
            counts = [dropped["by_source_reason"][source].get(reason, 0) for source in sources]
            reasons.append(
                f"| {reason} | {' | '.join(f'{count:,}' for count in counts)} | {total:,} |"
            )
    except KeyError as error:
        raise ArtifactError(
            "The gate's report lacks a key.",
            where=_VALIDATION,
            found=error,
            remedy="run `fer run validate`",
        ) from error
    return "\n".join(
        [
            f"# {title}",
            "",
            *facts,
            "",
            "## Pictures that several faces share",
            "",
            "A part is what the data set itself calls one: Training, PublicTest, the folder of a "
            "split.",
            "",
            "| among | twins | groups | extra copies | groups with contradictory labels | groups "
            "across parts | largest group |",
            "|---|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            *(
                [_WHOLE_FER2013, ""]
                if any(set(usages) & set(_FER2013) for usages in report["usages"].values())
                else []
            ),
            "## Rows that left, by the first reason that applied",
            "",
            f"| reason | {' | '.join(sources)} | all |",
            f"|---|{'---:|' * (len(sources) + 1)}",
            *reasons,
            "",
            "Written by `fer manifest leakage` from `data/validation.json`.",
            "",
        ]
    )


def _parts_of(usages: dict[str, int]) -> str:
    """Faces of each part; parts of FER2013 that are not there are named too."""
    held = ", ".join(f"{rows:,} {usage or 'faces'}" for usage, rows in usages.items())
    missing = (
        [usage for usage in _FER2013 if usage not in usages] if set(usages) <= set(_FER2013) else []
    )
    return f"{held}; {', '.join(missing)} is not there" if missing else held
