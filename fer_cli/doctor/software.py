"""`fer doctor`: Python, the installed packages, and the libraries that fail in ways of their
own.
"""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fer_cli.doctor.finding import Finding, Level, ProbeError, probe
from fer_core.base.settings import Settings

__all__ = [
    "check_device",
    "check_dvc",
    "check_git",
    "check_onnxruntime",
    "check_opencv",
    "check_packages",
    "check_python",
    "check_yaml",
    "installed_version",
]

_INSTALL = "`make setup` installs what the lock names"
_SHOWN = 8
_ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)

_TORCH = """
import json, torch, torchvision, timm
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
versions = {library.__name__: library.__version__ for library in (torch, torchvision, timm)}
devices = [torch.cuda.get_device_name(number) for number in range(count)]
print(json.dumps(versions | {"cuda": torch.version.cuda, "devices": devices}))
"""
_ONNXRUNTIME = """
import json, onnxruntime
providers = onnxruntime.get_available_providers()
print(json.dumps({"version": onnxruntime.__version__, "providers": providers}))
"""
_OPENCV = """
import json, cv2, numpy
image = numpy.zeros((8, 8, 3), numpy.uint8)
written = {ending: cv2.imencode(ending, image)[1] for ending in (".png", ".jpg", ".bmp", ".webp")}
formats = [ending for ending, data in written.items() if cv2.imdecode(data, 1) is not None]
print(json.dumps({"version": cv2.__version__, "formats": formats}))
"""


def check_python(pyproject: Path, version: str = platform.python_version()) -> Iterator[Finding]:
    """Whether this Python is one that the project is made for."""
    wanted = str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["requires-python"])
    where = f"Python {version} in {sys.prefix}"
    if version not in SpecifierSet(wanted, prereleases=True):
        yield Finding(
            Level.FAIL,
            "Python",
            f"{where}; {wanted} is needed",
            "`make setup PYTHON=python3.12`, after removing .venv",
        )
    elif sys.prefix == sys.base_prefix:
        yield Finding(
            Level.WARN,
            "Python",
            f"{where} is no virtual environment",
            "`make setup` makes one; use its .venv/bin/fer",
        )
    else:
        yield Finding(Level.OK, "Python", where)


def installed_version(name: str) -> str | None:
    """Version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages(
    lock: Path, pyproject: Path, installed: Callable[[str], str | None] = installed_version
) -> Iterator[Finding]:
    """Installed versions against the pins of the lock, as far as they are meant for this machine.

    A dependency of the project's own that is missing or out of its bounds fails; every other
    difference is only told.

    Args:
        lock: `requirements.lock`.
        pyproject: with the project's own bounds.
        installed: gives the version of a package, or None.
    """
    pins = list(_requirements(lock.read_text(encoding="utf-8").splitlines()))
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extra = project.get("optional-dependencies", {}).get("train", [])
    needed = list(_requirements([*project["dependencies"], *extra]))
    unfit = {
        canonicalize_name(wanted.name): f"{_found(wanted, installed)}, needed "
        f"{wanted.specifier or 'any'}"
        for wanted in needed
        if not _fits(wanted, installed)
    }
    if unfit:
        yield Finding(Level.FAIL, "packages", _listed(list(unfit.values())), _INSTALL)
    other = [
        f"{_found(pin, installed)}, pinned {str(pin.specifier).removeprefix('==')}"
        for pin in pins
        if not _fits(pin, installed) and canonicalize_name(pin.name) not in unfit
    ]
    if other:
        yield Finding(
            Level.WARN,
            "packages",
            _listed(other),
            f"{_INSTALL}; results may differ with other versions",
        )
    if not unfit and not other:
        yield Finding(Level.OK, "packages", f"{len(pins)} packages as {lock.name} pins them")


def _fits(wanted: Requirement, installed: Callable[[str], str | None]) -> bool:
    version = installed(wanted.name)
    return version is not None and wanted.specifier.contains(version, prereleases=True)


def _found(wanted: Requirement, installed: Callable[[str], str | None]) -> str:
    return f"{wanted.name} {installed(wanted.name) or 'is missing'}"


def _requirements(lines: list[str]) -> Iterator[Requirement]:
    """Requirements of this machine in lines of a lock file or of pyproject.toml; hashes and
    comments are passed over.

    Raises:
        ProbeError: a line is neither.
    """
    for line in lines:
        text = line.split("#")[0].rstrip(" \\")
        if text.strip() and not text.lstrip().startswith("--"):
            try:
                found = Requirement(text)
            except InvalidRequirement as error:
                raise ProbeError(f"a line is no requirement: {text!r}") from error
            if not found.marker or found.marker.evaluate():
                yield found


def _listed(items: list[str]) -> str:
    more = f"; and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + more


def check_device(
    settings: Settings, driver: Path = Path("/proc/driver/nvidia/version")
) -> Iterator[Finding]:
    """Whether torch and its companions load, and whether the device of the settings is there.

    Args:
        settings: the machine's.
        driver: exists where an NVIDIA driver is loaded.
    """
    try:
        found = probe(_TORCH)
    except ProbeError as error:
        yield Finding(
            Level.FAIL,
            "torch",
            f"torch, torchvision and timm cannot be imported: {error}",
            _INSTALL,
        )
        return
    built = f"built for CUDA {found['cuda']}" if found["cuda"] else "built without CUDA"
    yield Finding(
        Level.OK,
        "torch",
        f"torch {found['torch']} ({built}), torchvision {found['torchvision']}, timm "
        f"{found['timm']}",
    )
    devices, wanted = found["devices"], settings.device
    known = ["auto", "cpu", "cuda", *(f"cuda:{number}" for number in range(len(devices)))]
    if wanted.startswith("cuda") and not devices:
        yield Finding(
            Level.FAIL,
            "device",
            f"{wanted} is asked for, but torch finds no CUDA device",
            "FER_DEVICE=auto, or repair the driver",
        )
    elif wanted not in known:
        yield Finding(
            Level.FAIL,
            "device",
            f"there is no device {wanted!r}",
            f"set FER_DEVICE to one of {', '.join(known)}",
        )
    elif devices:
        yield Finding(Level.OK, "device", f"{wanted}: {', '.join(devices)}")
    elif driver.exists() and wanted != "cpu":
        yield Finding(
            Level.WARN,
            "device",
            "there is an NVIDIA driver, but torch cannot use it",
            f"a torch for its CUDA; now {built}",
        )
    else:
        yield Finding(Level.OK, "device", "CPU only")


def check_onnxruntime(
    installed: Callable[[str], str | None] = installed_version,
) -> Iterator[Finding]:
    """Whether ONNX Runtime loads, what it can run on, and whether only one is installed."""
    try:
        found = probe(_ONNXRUNTIME)
    except ProbeError as error:
        yield Finding(Level.FAIL, "ONNX Runtime", f"cannot be imported: {error}", _INSTALL)
        return
    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in found["providers"])
    if "CPUExecutionProvider" not in found["providers"]:
        yield Finding(
            Level.FAIL,
            "ONNX Runtime",
            f"{found['version']} has no CPU provider, only {providers or 'none'}",
            _INSTALL,
        )
    elif len(kinds := [name for name in _ONNXRUNTIMES if installed(name)]) > 1:
        yield Finding(
            Level.WARN,
            "ONNX Runtime",
            f"{' and '.join(kinds)} are installed and overwrite each other's files",
            "uninstall both, then install one of the extras `live` and `train`",
        )
    else:
        yield Finding(Level.OK, "ONNX Runtime", f"{found['version']}: {providers}")


def check_opencv(installed: Callable[[str], str | None] = installed_version) -> Iterator[Finding]:
    """Whether OpenCV loads and decodes every format that data sets come in, and whether only one is
    installed.
    """
    try:
        found = probe(_OPENCV)
    except ProbeError as error:
        remedy = (
            f"{_INSTALL}: it takes opencv-python-headless, which needs no library of the system"
            if ".so" in str(error)
            else _INSTALL
        )
        yield Finding(Level.FAIL, "OpenCV", f"cannot be imported: {error}", remedy)
        return
    lacking = sorted({".png", ".jpg", ".bmp", ".webp"} - set(found["formats"]))
    kinds = [name for name in _OPENCVS if installed(name)]
    if lacking:
        yield Finding(
            Level.FAIL, "OpenCV", f"{found['version']} cannot decode {', '.join(lacking)}", _INSTALL
        )
    elif len(kinds) > 1:
        yield Finding(
            Level.WARN,
            "OpenCV",
            f"{' and '.join(kinds)} overwrite each other",
            "uninstall them all, then `make setup`",
        )
    else:
        yield Finding(Level.OK, "OpenCV", str(found["version"]))


def check_yaml() -> Iterator[Finding]:
    """Whether YAML is parsed in C: DVC reads and writes a long lock file after every stage."""
    import ruamel.yaml

    if ruamel.yaml.__with_libyaml__:
        yield Finding(Level.OK, "YAML", f"ruamel.yaml {ruamel.yaml.__version__} with its C parser")
    else:
        yield Finding(
            Level.WARN,
            "YAML",
            "ruamel.yaml has no C parser: DVC takes seconds longer a stage",
            _INSTALL,
        )


def check_dvc(
    bin_folder: Path = Path(sys.executable).parent, root: Path = Path()
) -> Iterator[Finding]:
    """Whether the dvc that `fer run` starts is there, and this is the root of a project of its
    own.
    """
    version = installed_version("dvc")
    if version is None or shutil.which("dvc", path=str(bin_folder)) is None:
        yield Finding(Level.FAIL, "DVC", f"no dvc beside {sys.executable}", _INSTALL)
    elif not (root / ".dvc").is_dir():
        yield Finding(
            Level.FAIL, "DVC", f"no .dvc in {root.absolute()}", "run from the project's root"
        )
    else:
        yield Finding(Level.OK, "DVC", version)


def check_git(root: Path = Path()) -> Iterator[Finding]:
    """Whether git is there and knows this folder."""
    git = shutil.which("git")
    if git is None:
        yield Finding(
            Level.FAIL, "git", "there is no git", "install it: DVC and the descriptors need it"
        )
        return
    version = (
        subprocess.run([git, "--version"], capture_output=True, text=True, check=False)
        .stdout.strip()
        .removeprefix("git version ")
    )
    inside = subprocess.run(
        [git, "rev-parse", "--is-inside-work-tree"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if inside.stdout.strip() != "true":
        told = (inside.stderr.strip().splitlines() or ["this is no git checkout"])[0]
        yield Finding(
            Level.FAIL,
            "git",
            told,
            "clone the project instead of copying it; DVC asks git for the revision",
        )
    else:
        yield Finding(Level.OK, "git", version)
