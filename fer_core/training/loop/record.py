"""The record of a training run: facts about it that people read and no later result depends on.

`history.csv` is the same for the same run, `timing.csv` is not; `summary.json` says what was
selected and how fast it went, `environment.json` on what and with what, `compare.json` (stage B)
how the model does beside the one it began as.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_core.base.files import new_folder, write_json, write_text
from fer_core.training.loop.loop import TrainingResult

__all__ = ["write_record"]


def write_record(
    folder: Path,
    result: TrainingResult,
    arch: str,
    surroundings: dict[str, Any],
    comparison: dict[str, Any] | None = None,
) -> None:
    """Write the out `record/` in one step.

    Args:
        folder: the out.
        result: history and timing of the run.
        arch: timm name.
        surroundings: what it ran on and with.
        comparison: with another model, where there is one.
    """
    seconds, images = (
        sum(epoch[name] for epoch in result.timing) for name in ("seconds", "images")
    )
    timing = [
        {
            "epoch": number,
            "seconds": round(epoch["seconds"], 3),
            "images_per_second": round(epoch["images"] / epoch["seconds"], 1),
        }
        for number, epoch in enumerate(result.timing)
    ]
    with new_folder(folder) as temporary:
        _write_csv(temporary / "history.csv", result.history)
        _write_csv(temporary / "timing.csv", timing)
        write_json(
            temporary / "summary.json",
            {
                "arch": arch,
                "selected_epoch": result.selected_epoch,
                "epochs": len(result.history),
                "optimiser_steps": result.steps,
                "val": {
                    name[4:]: value
                    for name, value in result.history[result.selected_epoch].items()
                    if name.startswith("val_")
                },
                "distinct_share": result.history[-1]["seen_share"],
                "images_per_second": images / seconds,
                "seconds": seconds,
            },
        )
        write_json(temporary / "environment.json", surroundings)
        if comparison is not None:
            write_json(temporary / "compare.json", comparison)


def _write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())
