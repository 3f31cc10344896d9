"""The record of a training run: facts about it that people read and no later result depends on.

The out `record/` is the same for the same run: `val.json` with the val scores of the selected
epoch, which are metrics of DVC, `history.csv`, `summary.json` with what was selected,
`compare.json` (stage B) with how the model does beside the one it began as, `sweep.json` (with
`keep_checkpoints`) with the epochs that were scored only at the end.

The folder `log/` beside it is no out, for it differs from run to run: `timing.csv` says how fast it
went, `environment.json` on what and with what.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from fer_core.base.files import new_folder, write_json
from fer_core.base.machine import cpu_model
from fer_core.base.provenance import surroundings
from fer_core.base.settings import project_root
from fer_core.models.devices import distributed
from fer_core.training.loop.progress import TrainingResult

__all__ = ["LOG", "environment", "write_record"]

LOG = "log"


def environment(device: torch.device, compiled: bool) -> dict[str, Any]:
    """Plain values for JSON: what `surroundings` says, processor, processes, threads, device and
    its number formats.
    """
    return surroundings(project_root()) | {
        "processor": cpu_model(),
        "processes": distributed.size(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "compiled": compiled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul": torch.get_float32_matmul_precision(),
    }


def write_record(
    folder: Path,
    result: TrainingResult,
    arch: str,
    ran_on: dict[str, Any],
    comparison: dict[str, Any] | None = None,
    sweep_by: str | None = None,
) -> None:
    """Write `record/` and `log/`, each in one step.

    Args:
        folder: of the run.
        result: history and timing of the run.
        arch: timm name.
        ran_on: of `environment`.
        comparison: with another model, where there is one.
        sweep_by: what kept epochs were chosen by; None where none are kept.
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
    with new_folder(folder / LOG) as temporary:
        pd.DataFrame(timing).to_csv(temporary / "timing.csv", index=False)
        speed = {"seconds": seconds, "images_per_second": images / seconds}
        write_json(temporary / "environment.json", speed | ran_on)
    chosen = result.history[result.selected_epoch]
    val = {name[4:]: value for name, value in chosen.items() if name.startswith("val_")}
    with new_folder(folder / "record") as temporary:
        write_json(temporary / "val.json", val)
        pd.DataFrame(result.history).to_csv(temporary / "history.csv", index=False)
        write_json(
            temporary / "summary.json",
            {
                "arch": arch,
                "selected_epoch": result.selected_epoch,
                "epochs": len(result.history),
                "optimiser_steps": result.steps,
                "val": val,
            },
        )
        if comparison is not None:
            write_json(temporary / "compare.json", comparison)
        if sweep_by is not None:
            write_json(
                temporary / "sweep.json",
                {
                    "select_by": sweep_by,
                    "epochs": result.swept,
                    "selected_epoch": result.selected_epoch,
                },
            )
