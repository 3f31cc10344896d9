"""Keys of `clean@NAME`: the code and the params that the layout of each data set really uses.

An edit of one reader, or of the params of one layout, then cleans the data sets of that layout
again and no other.
"""

import ast
from pathlib import Path
from typing import Any

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import read_json
from fer_core.base.params import PARAMS_FILE

__all__ = ["DESCRIPTORS", "clean_keys", "sections_read"]

DESCRIPTORS = Path("data/sources")
_SAMPLE = "fer_core/sample"
_COMMON = "max_pixels"  # every data set declares it: the key where a layout has no section
_CROPS = "crops"


def clean_keys(sources: list[str], params: dict[str, Any], root: Path) -> dict[str, dict[str, str]]:
    """For every data set its `layout`, the section of `clean` that the reader uses (`options`),
    `crops` if it cuts faces out, and where its pictures come from: `origin` is the renderer's
    package for an embedded sample, else the reader once more.

    Raises:
        ParamsError: no descriptor of this name, or one without a known layout.
    """
    declared = params.get("clean") or {}
    keys = {}
    for name in sources:
        file = root / DESCRIPTORS / f"{name}.json"
        try:
            descriptor = read_json(file)
            layout = str(descriptor["layout"])
            read = sections_read(root / "fer_core" / "sources" / "layouts" / f"{layout}.py")
        except (ArtifactError, KeyError, TypeError, FileNotFoundError) as error:
            raise ParamsError(
                "There is no such data set.",
                where=f"{PARAMS_FILE}: manifest.sources",
                found=name,
                expected=f"a descriptor {DESCRIPTORS / name}.json with a known layout",
                remedy=f"`fer data add {name} PATH`, or take it off the list",
            ) from error
        own = [section for section in read if section != _CROPS and section in declared]
        keys[name] = {
            "layout": layout,
            "options": own[0] if own else _COMMON,
            "crops": _CROPS if _CROPS in read and _CROPS in declared else _COMMON,
            "origin": _SAMPLE
            if "sample" in descriptor
            else f"fer_core/sources/layouts/{layout}.py",
        }
    return keys


def sections_read(reader: Path) -> list[str]:
    """Sections of `clean` that a reader's file reads, sorted: what it takes from `options` but the
    limits that hold for all.
    """
    tree = ast.parse(reader.read_text(encoding="utf-8"))
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _is_options(node.value)
    }
    return sorted(read - {_COMMON, "allow_undecodable"})


def _is_options(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "options"
