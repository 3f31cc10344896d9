"""A DVC remote over SSH: an OpenSSH server of this machine, started for the test as an ordinary
process on a free port.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.checkouts import dvc, run
from tests.workers.away import ran, recorded, run_away

SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="no sshd here: `apt-get install openssh-server`"),
    pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here"),
]
HOW = "dvc-ssh is not installed: `uv pip install --require-hashes -r requirements-ray.lock`"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Port of the server, and the key that it lets in."""
    pytest.importorskip("dvc_ssh", reason=HOW)
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": folder / "pid",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "yes",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in told.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd of root separates its privileges
    assert SSHD is not None
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=(folder / "log").open("w")
    )
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    assert process.poll() is None, (folder / "log").read_text()
    yield port, folder / "key"
    process.send_signal(signal.SIGTERM)
    process.wait()


@pytest.fixture
def remote(checkout: Path, server: tuple[int, Path], tmp_path: Path) -> Path:
    """The checkout with that server as its remote."""
    port, key = server
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path / 'far'}"
    lines = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
    (checkout / ".dvc/config.local").write_text(f"{lines}    keyfile = {key}\n")
    return checkout


def test_results_are_pushed_and_pulled_over_ssh(remote: Path, tmp_path: Path) -> None:
    run()
    ran(remote)
    dvc(remote, "push", "--run-cache")
    made = recorded(remote)
    clone = shutil.copytree(
        remote, tmp_path / "clone", ignore=shutil.ignore_patterns("cache", "made", "joined", "tmp")
    )
    (clone / ".dvc/tmp").mkdir()
    dvc(clone, "pull", "--run-cache", "--allow-missing")
    assert recorded(clone) == made
    assert "joined" not in dvc(clone, "status")


def test_workers_share_files_over_ssh(remote: Path, tmp_path: Path) -> None:
    assert run_away(remote, store="store") == 0
    away = recorded(remote)
    assert list((tmp_path / "far/files/md5").glob("*/*.dir"))
    ran(remote)
    (remote / "dvc.lock").unlink()
    run(force=True)
    assert recorded(remote) == away


def test_a_server_that_is_gone_is_told(
    remote: Path, server: tuple[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run("make")
    text = (remote / ".dvc/config.local").read_text().replace(f":{server[0]}/", ":9/")
    (remote / ".dvc/config.local").write_text(text)
    assert run_away(remote, "join", store="store") == 1
    assert "The store cannot be written" in capsys.readouterr().out
