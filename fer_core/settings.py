"""Facts of the machine, never of the experiment: they change how fast a result comes, not the result.

Read from the environment (`FER_DEVICE`, `FER_DEVICES`, `FER_JOBS`, `FER_RAW`, `FER_RUNS`, `FER_THREADS`, `FER_WEIGHTS`), else from
`fer.local.toml` in the project's root, else defaults. `$DVC_ROOT` names the root during `dvc exp run --temp` and queued runs, whose
working copies are elsewhere.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import ParamsError

__all__ = ["Settings", "load_settings", "project_root"]

_KEYS = ("device", "devices", "jobs", "raw", "runs", "threads", "weights")


@dataclass(frozen=True)
class Settings:
    """Machine settings.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        devices: what `fer run` pins stages to that use one, such as "cuda:0,cuda:1"; empty means all that are there.
        jobs: stages that `fer run` runs at a time; 0 means as many as the machine is good for.
        raw: folder that holds the raw data sets; descriptors name roots relative to it.
        runs: scratch folder for interrupted training runs.
        threads: CPU threads for decoding and training; 0 means all that the process may use.
        weights: folder of pretrained weight files, or None.
    """

    device: str
    raw: Path
    runs: Path
    threads: int
    weights: Path | None = None
    devices: tuple[str, ...] = ()
    jobs: int = 0

    def cpu_threads(self) -> int:
        """Number of CPU threads to use."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or usable


def project_root() -> Path:
    """The main checkout: `$DVC_ROOT` inside a DVC stage, else the working folder."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def load_settings() -> Settings:
    """Read the machine's settings.

    Raises:
        ParamsError: `fer.local.toml` is not TOML or holds an unknown key, or a value has the wrong type.
    """
    root = project_root()
    file = root / "fer.local.toml"
    try:
        local = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise ParamsError("The machine's settings are not valid TOML.", where=file, found=error) from error
    for key in local:
        if key not in _KEYS:
            raise ParamsError("Unknown setting.", where=f"{file}: {key}", expected=", ".join(_KEYS))

    def value(key: str, default: str) -> str:
        return os.environ.get(f"FER_{key.upper()}") or str(local.get(key, default))

    def number(key: str) -> int:
        text = value(key, "0")
        if not text.isdecimal():
            raise ParamsError(f"The number of {key} is not a whole number.", where=f"FER_{key.upper()} or {file}", found=text)
        return int(text)

    weights = value("weights", "")
    return Settings(
        device=value("device", "auto"),
        raw=root / Path(value("raw", "raw")).expanduser(),
        runs=root / Path(value("runs", "runs")).expanduser(),
        threads=number("threads"),
        weights=root / Path(weights).expanduser() if weights else None,
        devices=tuple(name.strip() for name in value("devices", "").split(",") if name.strip()),
        jobs=number("jobs"),
    )
