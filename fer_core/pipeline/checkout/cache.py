"""Where DVC's cache is, and how it is used."""

from pathlib import Path
from typing import Any

__all__ = ["cache_settings"]


def cache_settings(dvc: Path) -> dict[str, Any]:
    """Section `cache` of DVC's configuration files; "dir" is always there, as a path.

    Args:
        dvc: the project's folder `.dvc`.

    Raises:
        ConfigError: of DVC; the files cannot be read.
    """
    from dvc.config import Config

    section = dict(Config(dvc_dir=str(dvc))["cache"])
    return section | {"dir": Path(section.get("dir") or dvc / "cache")}
