"""Do artifacts follow the processor? Stages run here and on emulated processors, and the hashes of
what they make are compared.

Run: python -m bench.portable_bench [--processors Haswell,EPYC] [--batches 3] [--free]

Needs `qemu-x86_64` (Debian: qemu-user) and a finished `fer run`. qemu pretends to be another
processor to every library, so code that chooses by processor chooses otherwise. --free adds rows
without the variables of `stages.PORTABLE`, to see what they are for; the last column is what they
cost, processor seconds of the two trainings (more --batches make it tell more). Emulation takes
minutes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import yaml

from fer_core.base.machine import cpu_model
from fer_core.base.reading import read_yaml

ROOT = Path(__file__).parents[1]
STAGES = {
    "clean": (["stages.clean", "sample_expw"], "data/clean/sample_expw.arrow"),
    "init": (["stages.init", "test_resnet"], "data/init/test_resnet"),
    "student": (
        [
            "stages.student",
            "ce-1",
            "ce",
            "1",
            "data/init/test_resnet",
            "data/pack/dev/rows.parquet",
        ],
        "data/students/ce-1/model",
    ),
    "init of ResNet-9": (["stages.init", "resnet9_w8"], "data/init/resnet9_w8"),
    "teacher, ResNet-9": (
        ["stages.teacher", "a", "tiny_resnet9", "data/init/resnet9_w8"],
        "data/teachers/tiny_resnet9/a/model",
    ),
    "softlabels": (["stages.softlabels"], "data/softlabels"),
}
TRAININGS = ("student", "teacher, ResNet-9")
NEEDED = ("data/sources", "data/pack/dev", "data/ensemble", "data/logits", "live.yaml")


def main(
    processors: Annotated[
        str, typer.Option(help='Models of `qemu-x86_64 -cpu help`; "" for none.')
    ] = "Haswell,EPYC",
    batches: Annotated[int, typer.Option(help="Steps of the training.")] = 3,
    free: Annotated[bool, typer.Option("--free", help="Also without the variables.")] = False,
) -> None:
    """Print the table."""
    head = " | ".join([*STAGES, "CPU s of trainings"])
    typer.echo(f"| processor | {head} |\n|---|" + "---|" * len(STAGES) + "---:|")
    for name in ["here", *filter(None, processors.split(","))]:
        for portable in ["1", "0"] if free else ["1"]:
            with tempfile.TemporaryDirectory() as folder:
                found, seconds = _hashes(Path(folder), name, portable, batches)
            named = cpu_model() if name == "here" else f"{name}, emulated"
            row = " | ".join(f"`{one}`" for one in found)
            typer.echo(f"| {named}{'' if portable == '1' else ', free'} | {row} | {seconds:.0f} |")


def _hashes(folder: Path, processor: str, portable: str, batches: int) -> tuple[list[str], float]:
    """Of what each stage makes, and the processor seconds of the trainings."""
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, folder / name)
    params = read_yaml(ROOT / "params.yaml")
    for section in ("student", "teacher"):
        params[section]["train"] |= {"max_train_batches": batches, "max_val_batches": 1}
        params[section]["train"]["epochs"] = 2
    params["teacher"]["arcface"] |= {"warmup_epochs": 1, "ramp_end": 2}
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        yaml.safe_dump(params, stream)
    emulated = [] if processor == "here" else ["qemu-x86_64", "-cpu", processor]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FER_PORTABLE": portable}
    hashes, seconds = [], 0.0
    for name, (module, made) in STAGES.items():
        before = os.times()
        command = [*emulated, sys.executable, "-m", *module]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        after = os.times()
        if name in TRAININGS:
            seconds += after.children_user - before.children_user
            seconds += after.children_system - before.children_system
        hashes.append(
            _hash(folder / made) if done.returncode == 0 else f"failed: {done.stderr[-200:]!r}"
        )
    return hashes, seconds


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and "log" not in file.parts:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    typer.run(main)
