"""A clone of this project that trains small networks on FER2013, for benches of one question."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fer_core.base.files import new_folder, write_text
from fer_core.base.params import PARAMS_FILE, read_params

__all__ = ["SIDE", "SMALL", "fer", "lay_clone"]

ROOT = Path(__file__).parents[1]
SIDE = 48
SMALL: dict[str, Any] = {
    "cpu_threads": 1,
    "manifest.sources": ["fer2013"],
    "sets": {"publictest": {"usage": ["PublicTest"]}},
    "preprocessing.size": SIDE,
    "views.count": 4,
    "teachers": {"lite0": {"arch": "tf_efficientnet_lite0"}},
    "teacher.preprocessing": {"size": 64},
    "teacher.votes": 0.0,
    "teacher.train.epochs": 10,
    "ensemble.kinds": ["global"],
    "evaluation.compare_set": "publictest",
    "deploy.teachers": [],
}
"""What differs from the profile `fer2013`: one teacher, from ImageNet weights (`docs/weights.md`;
`FER_WEIGHTS` names the folder that holds them), and small faces.
"""


def lay_clone(
    project: Path,
    changes: Mapping[str, Any],
    add_data: Callable[[Path], object],
    profile: str = "fer2013",
    cache: Path | None = None,
) -> None:
    """Make the clone, unless it is there, with a profile's parameters, these changes and data.

    Args:
        project: folder of the clone.
        changes: dotted names of params.yaml and their values.
        add_data: adds data sets to the clone.
        profile: the parameters' name.
        cache: folder of DVC's cache, for clones that share results; None for one of its own.
    """
    if project.exists():
        return
    values = read_params(ROOT / f"profiles/{profile}.yaml")
    for name, value in changes.items():
        *outer, last = name.split(".")
        section = values
        for key in outer:
            section = section[key]
        section[last] = value
    with new_folder(project) as clone:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if cache is not None:
            dvc = str(Path(sys.executable).parent / "dvc")
            command = [dvc, "config", "--local", "cache.dir", str(cache)]
            subprocess.run(command, cwd=clone, check=True)
        write_text(clone / PARAMS_FILE, yaml.safe_dump(values, sort_keys=False))
        add_data(clone)
        fer(clone, "dag", "sync")


def fer(project: Path, *arguments: str) -> None:
    """Run `fer` in a clone."""
    command = [sys.executable, "-P", "-c", "from fer_cli.main import main; main()", *arguments]
    environment = os.environ | {"PYTHONPATH": str(project)}
    subprocess.run(command, cwd=project, env=environment, check=True)
