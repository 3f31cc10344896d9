"""Settings of the machine, never of the experiment: they change how fast a result comes, not the
result.

Read from the environment (`FER_THREADS`, …), else from `fer.local.toml` in the project's root, else
the defaults. `$DVC_ROOT` names the root during `dvc exp run --temp` and queued runs, whose working
copies are elsewhere.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from fer_core.base.errors import ParamsError
from fer_core.base.machine import usable_cores
from fer_core.base.processes import place
from fer_core.base.reading import read_toml

__all__ = ["LOCAL_FILE", "Settings", "load_settings", "project_root"]

LOCAL_FILE = "fer.local.toml"


def project_root() -> Path:
    """The main checkout: `$DVC_ROOT` inside a DVC stage, else the working folder."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def _in_root(value: Any) -> Any:
    """A path, relative to the project's root."""
    return project_root() / Path(value).expanduser() if isinstance(value, str) else value


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


Folder = Annotated[Path, BeforeValidator(_in_root)]
Count = Annotated[int, Field(ge=0), BeforeValidator(_no_switch)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_no_switch)]


class Settings(BaseSettings):
    """Machine settings.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        devices: devices that `fer run` gives to stages, such as "cuda:0,cuda:1"; empty means all.
        jobs: number of stages that `fer run` runs at a time; 0 lets the machine decide.
        raw: folder of the raw data sets; descriptors name roots relative to it.
        runs: scratch folder of interrupted training runs.
        threads: CPU threads for decoding and training; 0 means OMP_NUM_THREADS where that is set,
            else all that the process may use.
        memory_gb: 10^9 bytes that decoded images may take, of the device and again of the host; 0
            takes half of what is free. Other images are decoded again each time they are needed.
        processes: number of processes, one device each, that share a training or logits stage.
        weights: folder of pretrained weight files, or one such file.
        compile: whether networks are compiled (`torch.compile`): faster steps after a minute of
            compiling, and results that differ by rounding.
        on: where `fer run` runs stages: "local", "processes" (workers on this machine, to try a
            store out), "ray" or "slurm".
        address: of Ray's head (`HOST:6379`), or Slurm's partition; empty takes a Ray of this
            machine, or the default partition.
        store: name of the DVC remote by which workers share files; empty where every node sees
            DVC's cache at the same place.
        gpus: GPUs that a worker asks for when its stage uses torch.
        job_memory_gb: 10^9 bytes that a worker asks for; 0 asks for none.
        job_hours: time that a worker asks for; 0 asks for none.
        node_folder: where nodes keep checkouts and their cache; empty takes a temporary folder.
        python: of the nodes; empty takes the coordinator's, at the same place.
    """

    model_config = SettingsConfigDict(
        env_prefix="FER_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    device: str = "auto"
    devices: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    jobs: Count = 0
    raw: Folder = Field(default="raw", validate_default=True)
    runs: Folder = Field(default="runs", validate_default=True)
    threads: Count = 0
    memory_gb: Amount = 0.0
    processes: Count = 1
    weights: Folder | None = None
    compile: bool = False
    on: Literal["local", "processes", "ray", "slurm"] = "local"
    address: str = ""
    store: str = ""
    gpus: Count = 0
    job_memory_gb: Amount = 0.0
    job_hours: Amount = 0.0
    node_folder: str = ""
    python: str = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the local file."""
        file = project_root() / LOCAL_FILE
        local = read_toml(file, "file of settings") if file.exists() else {}
        return init_settings, env_settings, InitSettingsSource(settings_cls, local)

    def cpu_threads(self) -> int:
        """Number of CPU threads that this process may use: those of the machine, shared among the
        processes of a group.

        Where the settings say nothing, OMP_NUM_THREADS decides, as in other programs: with more
        threads than OpenMP was told of, threads wait for each other busily, and two such runs side
        by side are many times slower than one.
        """
        told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        if not self.threads and told.isdecimal() and int(told):
            return int(told)
        return max(1, self.machine_threads() // place().local_size)

    def machine_threads(self) -> int:
        """Number of CPU threads that the processes on this machine share."""
        return self.threads or usable_cores()


def load_settings(**told: Any) -> Settings:
    """Read the machine's settings.

    Args:
        told: settings that the command line gives; they come first.

    Raises:
        ParamsError: `fer.local.toml` is not TOML, or a setting is unknown or of the wrong type.
    """
    file = project_root() / LOCAL_FILE
    try:
        return Settings(**told)
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            raise ParamsError(
                "Unknown setting.",
                where=f"{file}: {key}",
                expected=", ".join(sorted(Settings.model_fields)),
                remedy="correct or remove it",
            ) from error
        raise ParamsError(
            f"The setting {key} does not fit.",
            where=f"FER_{key.upper()} or {file}: {key}",
            found=fault["input"],
            expected=fault["msg"],
            remedy="correct it (texts in quotes, numbers without), or remove it to use the default",
        ) from error
