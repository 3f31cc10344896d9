"""Nothing leaves the machine: system calls of a prediction, of stages and of DVC are watched.

No name is looked up, nothing is sent but within the machine, and no file is written outside the
project, the temporary folder and our own cache.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

import fer_core
from fer_core.base.files import write_json
from tests.exports import Exported, faces
from tests.live.acting import write_clip
from tests.stages.test_deploy_stages import PARAMS, lay_out

ROOT = Path(__file__).parents[2]
_REMOTE = re.compile(r"(connect|sendto|sendmsg|sendmmsg|bind)\(.*AF_INET6?\b")
_LOOK_UP = re.compile(r'"/etc/(resolv\.conf|hosts)"')
_FOLDER = r"(?:(?:AT_FDCWD|\d+)(?:<(?P<folder>[^>]*)>)?, )?"
_OPENED = re.compile(rf'open(?:at)?\({_FOLDER}"(?P<path>[^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)')
_MADE = re.compile(rf'(?:mkdir|mkdirat|rename|renameat2?|symlink|link)\({_FOLDER}"(?P<path>[^"]+)"')
_FAILED = re.compile(r"= -1 E")


@dataclass(frozen=True)
class Seen:
    """What a command did: `remote` system calls as text, `written` paths that it opened for writing
    or made.
    """

    remote: list[str]
    written: set[Path]

    def outside(self, *roots: Path) -> list[Path]:
        """Written paths below none of these roots; devices, pipes and the kernel's files do not
        count.
        """
        known = [*roots, Path("/dev"), Path("/proc"), Path("/sys")]
        return sorted(
            path for path in self.written if not any(path.is_relative_to(root) for root in known)
        )


def watch(command: list[str], folder: Path) -> Seen:
    """Run a command in a folder under `strace`; it must end well."""
    if shutil.which("strace") is None:
        if os.environ.get("CI"):
            pytest.fail("strace is missing; `.ci/run` installs it")
        pytest.skip("strace is not installed")
    trace = folder / "trace"
    trace.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in (*fer_core.TELLS_NO_ONE, "CI")
    }
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    environment |= {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(ROOT),
        "FER_THREADS": "1",
    }
    environment.pop("XDG_CACHE_HOME", None)
    calls = "trace=network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,symlink"
    strace = [
        "strace",
        "-ff",
        "--seccomp-bpf",
        "-qq",
        "-y",
        "-s",
        "300",
        "-e",
        calls,
        "-o",
        str(trace / "of"),
    ]
    done = subprocess.run(
        [*strace, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    remote, written = [], set()
    for file in trace.iterdir():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if _REMOTE.search(line) or _LOOK_UP.search(line):
                remote.append(line)
            found = _OPENED.search(line) or _MADE.search(line)
            if found and not _FAILED.search(line):
                written.add(folder / (found["folder"] or "") / found["path"])
    return Seen(remote, written)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_watching_sees_a_look_up_and_a_file(tmp_path: Path) -> None:
    """Otherwise the tests below could not fail."""
    code = "import os, socket, pathlib\npathlib.Path(os.environ['HOME'], 'left').write_text('')\n"
    code += "try: socket.getaddrinfo('example.invalid', 80)\nexcept OSError: pass"
    seen = watch(python(code), tmp_path)
    assert seen.remote
    assert seen.outside(tmp_path / "project") == [tmp_path / "home" / "left"]


def test_fer_predict_tells_no_one(tmp_path: Path, exported: Exported) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), faces(1)[0])
    seen = watch(
        [
            str(Path(sys.executable).parent / "fer"),
            "predict",
            "face.png",
            "--model",
            str(exported.files["fp32"]),
        ],
        tmp_path,
    )
    assert seen.remote == []
    assert seen.outside() == []


def test_fer_live_tells_no_one(tmp_path: Path, exported: Exported) -> None:
    write_clip(tmp_path / "clip.mp4", [3] * 5)
    fer, model = str(Path(sys.executable).parent / "fer"), str(exported.files["fp32"])
    seen = watch([fer, "live", "clip.mp4", "--headless", "--record", "--model", model], tmp_path)
    assert seen.remote == []
    assert seen.outside(tmp_path / "sessions") == []


def test_stage_with_torch_timm_and_onnxruntime_tells_no_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lay_out(PARAMS)
    seen = watch([sys.executable, "-m", "stages.onnx"], tmp_path)
    assert seen.remote == []
    assert (tmp_path / "data" / "onnx" / "student.int8.onnx").exists()
    assert seen.outside(tmp_path / "data", tmp_path / "tmp") == []


def test_dvc_tells_no_one(tmp_path: Path) -> None:
    """As a user starts it: neither analytics nor the check for a newer version, in a project with
    our configuration.
    """
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    shutil.copyfile(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")
    write_json(tmp_path / "numbers.json", np.arange(3).tolist())
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp numbers.json out.json\n    deps: [numbers.json]\n    outs: "
        "[out.json]\n"
    )
    seen = watch([sys.executable, "-m", "dvc", "repro"], tmp_path)
    assert seen.remote == []
    assert not (tmp_path / ".dvc" / "tmp" / "updater").exists()
