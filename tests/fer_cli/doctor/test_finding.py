"""Whatever is broken becomes a line, never a traceback."""

from collections.abc import Iterator

import pytest

from fer_cli.doctor import finding as doctor_finding
from fer_cli.doctor.finding import Finding, Level, ProbeError, guarded, probe
from fer_core.base.errors import DataError


def test_a_finding_is_one_line_whatever_its_text() -> None:
    assert (
        str(Finding(Level.FAIL, "disk", "too\n  full", "make\nroom"))
        == "FAIL  disk              too full -> make room"
    )
    assert str(Finding(Level.OK, "disk", "fine")) == "ok    disk              fine"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            DataError("Bad.", where="here", found="this", remedy="mend it"),
            "Bad; in here; found this -> mend it",
        ),
        (
            ModuleNotFoundError("No module named 'pandas'"),
            "cannot be imported: No module named 'pandas' -> `make setup`",
        ),
        (PermissionError("no"), "no"),
        (ValueError("bad toml"), "bad toml"),
        (ProbeError("died"), "died"),
    ],
)
def test_what_a_check_raises_becomes_a_failure_after_what_it_found(
    error: Exception, words: str
) -> None:
    def check() -> Iterator[Finding]:
        yield Finding(Level.OK, "x", "fine")
        raise error

    first, second = guarded("x", check)
    assert (first.level, second.level) == (Level.OK, Level.FAIL)
    assert str(second) == f"FAIL  x                 {words}"


def test_bugs_of_a_check_are_not_hidden() -> None:
    def check() -> Iterator[Finding]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        list(guarded("x", check))


def test_probe_gives_the_last_line_and_tells_how_a_process_died() -> None:
    assert probe("print('noise'); print('{\"a\": 1}')") == {"a": 1}
    with pytest.raises(ProbeError, match="ImportError: libcudart"):
        probe("raise ImportError('libcudart.so.13: cannot open shared object file')")
    with pytest.raises(ProbeError, match="status -11"):
        probe("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


def test_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_finding, "_PATIENCE", 0.5)
    with pytest.raises(ProbeError, match=r"no answer within 0\.5 s"):
        probe("import time; time.sleep(60)")
