"""Facts of the machine, never of the experiment: they change how fast a result comes, not the
result.

Read from the environment (`FER_COMPILE`, `FER_DEVICE`, `FER_DEVICES`, `FER_JOBS`, `FER_MEMORY_GB`,
`FER_PROCESSES`, `FER_RAW`, `FER_RUNS`, `FER_THREADS`, `FER_WEIGHTS`), else from `fer.local.toml` in
the project's root, else defaults. `$DVC_ROOT` names the root during `dvc exp run --temp` and queued
runs, whose working copies are elsewhere.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from fer_core.base.errors import ParamsError
from fer_core.base.processes import place

__all__ = ["Settings", "load_settings", "project_root"]

_TEXTS = ("device", "devices", "raw", "runs", "weights")
_KEYS = ("compile", "jobs", "memory_gb", "processes", "threads", *_TEXTS)
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Settings:
    """Machine settings.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        devices: what `fer run` pins stages to that use one, such as "cuda:0,cuda:1"; empty means
            all that are there.
        jobs: stages that `fer run` runs at a time; 0 means as many as the machine is good for.
        raw: folder that holds the raw data sets; descriptors name roots relative to it.
        runs: scratch folder for interrupted training runs.
        threads: CPU threads for decoding and training; 0 means OMP_NUM_THREADS where that is set,
            else all that the process may use.
        memory_gb: 10^9 bytes that decoded images may take, of the device and again of the host; 0
            takes half of what is free. What does not fit is decoded again each time it is needed.
        processes: that a stage which trains or exports logits is spread over on this machine, one
            device each.
        weights: folder of pretrained weight files, or one such file, or None.
        compile: have networks compiled (`torch.compile`): faster steps after a minute of compiling,
            results that differ by rounding.
    """

    device: str
    raw: Path
    runs: Path
    threads: int
    weights: Path | None = None
    devices: tuple[str, ...] = ()
    jobs: int = 0
    processes: int = 1
    memory_gb: float = 0.0
    compile: bool = False

    def cpu_threads(self) -> int:
        """Number of CPU threads that this process may use: those of the machine, shared out among
        the processes of a group.

        Where the settings say nothing, OMP_NUM_THREADS does, as for other programs: more threads
        than it has told OpenMP of wait for each other busily, and two such runs side by side are
        many times slower than one.
        """
        told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        if not self.threads and told.isdecimal() and int(told):
            return int(told)
        return max(1, self.machine_threads() // place().local_size)

    def machine_threads(self) -> int:
        """Number of CPU threads to be shared out among the processes on this machine."""
        usable = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
        return self.threads or usable


def project_root() -> Path:
    """The main checkout: `$DVC_ROOT` inside a DVC stage, else the working folder."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def load_settings() -> Settings:
    """Read the machine's settings.

    Raises:
        ParamsError: `fer.local.toml` is not TOML or holds an unknown key, or a value has the wrong
            type.
    """
    root = project_root()
    file = root / "fer.local.toml"
    try:
        local = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise ParamsError(
            "The machine's settings are not valid TOML.",
            where=file,
            found=error,
            remedy="mend the line named",
        ) from error
    for key in local:
        if key not in _KEYS:
            raise ParamsError(
                "Unknown setting.",
                where=f"{file}: {key}",
                expected=", ".join(sorted(_KEYS)),
                remedy="mend or remove it",
            )
        if key in _TEXTS and not isinstance(local[key], str):
            remedy = 'write it in quotes; several devices as one text, "cuda:0,cuda:1"'
            raise ParamsError(
                "This setting is not a text.",
                where=f"{file}: {key}",
                found=local[key],
                remedy=remedy,
            )

    def value(key: str, default: str) -> str:
        return os.environ.get(f"FER_{key.upper()}") or str(local.get(key, default))

    def number(key: str, default: int = 0) -> int:
        text = value(key, str(default))
        if not text.isdecimal():
            raise ParamsError(
                f"The number of {key} is not a whole number.",
                where=f"FER_{key.upper()} or {file}",
                found=text,
                expected="digits alone",
                remedy=f"mend it, or take it out to have {default}",
            )
        return int(text)

    def gigabytes() -> float:
        text = value("memory_gb", "0")
        if re.fullmatch(r"\d+(\.\d+)?(e-?\d+)?", text) is None:
            raise ParamsError(
                "The memory for images is not a number of gigabytes.",
                where=f"FER_MEMORY_GB or {file}",
                found=text,
                expected="a number such as 1.5",
                remedy="mend it, or take it out to have half of what is free",
            )
        return float(text)

    def switch(key: str) -> bool:
        text = value(key, "false").lower()
        if text not in _SWITCH:
            raise ParamsError(
                f"The setting {key} is neither on nor off.",
                where=f"FER_{key.upper()} or {file}",
                found=text,
                expected="1 or 0",
            )
        return _SWITCH[text]

    weights = value("weights", "")
    return Settings(
        device=value("device", "auto"),
        raw=root / Path(value("raw", "raw")).expanduser(),
        runs=root / Path(value("runs", "runs")).expanduser(),
        threads=number("threads"),
        weights=root / Path(weights).expanduser() if weights else None,
        devices=tuple(name.strip() for name in value("devices", "").split(",") if name.strip()),
        jobs=number("jobs"),
        processes=max(1, number("processes", 1)),
        memory_gb=gigabytes(),
        compile=switch("compile"),
    )
