"""`fer doctor`: the libraries that fail in ways of their own."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from fer_cli.doctor.finding import Finding, Level, ProbeError, probe
from fer_cli.doctor.packages import INSTALL, installed_version
from fer_core.base.settings import Settings

__all__ = [
    "check_device",
    "check_dvc",
    "check_git",
    "check_onnxruntime",
    "check_opencv",
    "check_yaml",
]

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
            INSTALL,
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
        yield Finding(Level.FAIL, "ONNX Runtime", f"cannot be imported: {error}", INSTALL)
        return
    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in found["providers"])
    if "CPUExecutionProvider" not in found["providers"]:
        yield Finding(
            Level.FAIL,
            "ONNX Runtime",
            f"{found['version']} has no CPU provider, only {providers or 'none'}",
            INSTALL,
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
            f"{INSTALL}: it takes opencv-python-headless, which needs no library of the system"
            if ".so" in str(error)
            else INSTALL
        )
        yield Finding(Level.FAIL, "OpenCV", f"cannot be imported: {error}", remedy)
        return
    lacking = sorted({".png", ".jpg", ".bmp", ".webp"} - set(found["formats"]))
    kinds = [name for name in _OPENCVS if installed(name)]
    if lacking:
        yield Finding(
            Level.FAIL, "OpenCV", f"{found['version']} cannot decode {', '.join(lacking)}", INSTALL
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
            INSTALL,
        )


def check_dvc(
    bin_folder: Path = Path(sys.executable).parent, root: Path = Path()
) -> Iterator[Finding]:
    """Whether the dvc that `fer run` starts is there, and this is the root of a project of its
    own.
    """
    version = installed_version("dvc")
    if version is None or shutil.which("dvc", path=str(bin_folder)) is None:
        yield Finding(Level.FAIL, "DVC", f"no dvc beside {sys.executable}", INSTALL)
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
