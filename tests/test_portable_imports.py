"""On a system without POSIX's own modules every module can be imported, and the sample's data
stages run.

Windows is not here to be asked. What is hidden is what its Python lacks: the modules, the names in
`os` and `signal`, and /proc.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.shipped import SAMPLE

ROOT = Path(__file__).parents[1]
SETS = ("sample_ferplus", "sample_fer2013", "sample_rafdb", "sample_expw")
HIDE = """
import importlib, os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "killpg", "getuid", "geteuid", "getgid", "setsid", "wait4", "uname",
             "sched_getaffinity", "sched_setaffinity", "getpgid", "getloadavg", "mkfifo", "chown"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGCHLD", "SIGUSR1", "pthread_sigmask", "setitimer", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
"""Third-party packages that a Linux machine has were written for it, so they are loaded first."""
FIRST = (
    "cv2, numpy, pandas, pyarrow.parquet, scipy.optimize, psutil, torch, torchvision, timm, "
    "onnx, onnxruntime, onnxscript, filelock, PIL.Image, pydantic_settings, yaml, typer, tqdm, "
    "tempfile, subprocess, multiprocessing, multiprocessing.util, concurrent.futures.process, "
    "getpass, http.server, dvc.repo, dvc.stage, dvc.output, vl_convert, jinja2, platformdirs"
)


def modules() -> list[str]:
    found = []
    for package in ("fer_core", "fer_cli", "stages"):
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not name.endswith("__main__"):
                found.append(name)
    return found


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FER_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_can_be_imported() -> None:
    code = f"""
import stages
import {FIRST}
{HIDE}
failed = []
for name in {modules()!r}:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed.append(f"{{name}}: {{error!r}}")
print("\\n".join(failed))
"""
    done = run(code, ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == ""


def test_a_worker_hears_signals_where_there_is_no_mask_of_them(tmp_path: Path) -> None:
    code = f"""
import stages
import {FIRST}
{HIDE}
from fer_core.workers.worker import unblock_signals
unblock_signals()
print("ready")
"""
    done = run(code, tmp_path)
    assert done.stdout == "ready\n", done.stderr[-2000:]


def test_it_is_seen_where_a_module_needs_what_is_hidden(tmp_path: Path) -> None:
    done = run(
        f"{HIDE}\ntry:\n    import fcntl\nexcept ImportError:\n    print('hidden')", tmp_path
    )
    assert done.stdout == "hidden\n"


def test_the_samples_data_stages_make_the_committed_bytes(tmp_path: Path) -> None:
    for name in ("params.yaml", "profiles/sample.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLE, tmp_path / name)
    shutil.copytree(ROOT / "data/sources", tmp_path / "data/sources")
    code = f"""
import stages
import {FIRST}
{HIDE}
from stages import clean, manifest, pack, validate
for name in {SETS!r}:
    clean.main(name)
for stage in (manifest, validate, pack):
    stage.main()
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    committed = {out["path"]: out for stage in lock.values() for out in stage["outs"]}
    for made in ["data/manifest.parquet", *(f"data/clean/{name}.arrow" for name in SETS)]:
        digest = hashlib.md5((tmp_path / made).read_bytes(), usedforsecurity=False).hexdigest()
        assert digest == committed[made]["md5"], made
    for half in ("dev", "test"):
        assert (tmp_path / f"data/pack/{half}/rows.parquet").is_file()
