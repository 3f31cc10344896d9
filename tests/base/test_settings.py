from pathlib import Path

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.settings import load_settings


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "COMPILE",
        "DEVICE",
        "DEVICES",
        "JOBS",
        "MEMORY_GB",
        "PROCESSES",
        "RAW",
        "RUNS",
        "THREADS",
        "WEIGHTS",
    ):
        monkeypatch.delenv(f"FER_{name}", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_defaults_lie_in_the_main_checkout(root: Path) -> None:
    settings = load_settings()
    assert (settings.device, settings.raw, settings.runs, settings.weights) == (
        "auto",
        root / "raw",
        root / "runs",
        None,
    )
    assert settings.cpu_threads() >= 1


def test_environment_beats_the_local_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "fer.local.toml").write_text('raw = "/data/raw"\nthreads = 3\n')
    assert (load_settings().raw, load_settings().cpu_threads()) == (Path("/data/raw"), 3)
    monkeypatch.setenv("FER_RAW", "elsewhere")
    assert load_settings().raw == root / "elsewhere"


def test_openmp_s_own_variable_counts_where_the_settings_say_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert load_settings().cpu_threads() == 3
    usable = load_settings().machine_threads()
    monkeypatch.setenv("FER_THREADS", "5")
    assert (load_settings().cpu_threads(), load_settings().machine_threads()) == (5, 5)
    monkeypatch.delenv("FER_THREADS")
    for useless in ("", "0", "all"):
        monkeypatch.setenv("OMP_NUM_THREADS", useless)
        assert load_settings().cpu_threads() == usable


def test_stages_run_in_one_process_unless_the_machine_says_otherwise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().processes == 1
    (root / "fer.local.toml").write_text("processes = 4\n")
    assert load_settings().processes == 4
    monkeypatch.setenv("FER_PROCESSES", "two")
    with pytest.raises(ParamsError, match="FER_PROCESSES"):
        load_settings()


def test_memory_for_images_is_a_number_of_gigabytes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().memory_gb == 0
    (root / "fer.local.toml").write_text("memory_gb = 1.5\n")
    assert load_settings().memory_gb == 1.5
    for text in ("much", "-1", "nan"):
        monkeypatch.setenv("FER_MEMORY_GB", text)
        with pytest.raises(ParamsError, match="FER_MEMORY_GB"):
            load_settings()


def test_networks_are_compiled_only_where_the_machine_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().compile is False
    (root / "fer.local.toml").write_text("compile = true\n")
    assert load_settings().compile is True
    monkeypatch.setenv("FER_COMPILE", "0")
    assert load_settings().compile is False
    monkeypatch.setenv("FER_COMPILE", "perhaps")
    with pytest.raises(ParamsError, match="FER_COMPILE"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu = 1\n", "gpu"),
        ("raw = \n", "not valid TOML"),
        ("raw = " + 100_000 * "[" + 100_000 * "]" + "\n", "not valid TOML"),
        ("threads = 'two'\n", "two"),
        ("raw = 3\n", r"fer\.local\.toml: raw[\s\S]*quotes"),
        ("devices = [0]\n", r"fer\.local\.toml: devices"),
        ("jobs = true\n", "True"),
        ("memory_gb = 'much'\n", "much"),
    ],
)
def test_faulty_local_file_is_named_with_a_remedy(root: Path, text: str, message: str) -> None:
    (root / "fer.local.toml").write_text(text)
    with pytest.raises(ParamsError, match=message) as caught:
        load_settings()
    assert caught.value.remedy


def test_a_number_of_jobs_that_is_none_says_what_to_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_JOBS", "many")
    with pytest.raises(ParamsError, match=r"FER_JOBS[\s\S]*many[\s\S]*remedy"):
        load_settings()
