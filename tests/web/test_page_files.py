"""What stage `web` puts together, and what it says where the page is not built."""

import base64
import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file
from fer_core.base.labels import CLASSES
from fer_core.live.specification import Specification
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import YUNET_SHA256
from fer_core.predict.fetching import detector_file
from fer_core.predict.intended_use import EU_LAW, EU_LAW_IN_SHORT, INTENDED_USE, NOT_FOR
from fer_core.predict.onnx_runtime import onnxruntime
from fer_core.web.build import build
from fer_core.web.bundle import RECORD, bundle_files, find_bundle, sources_sha256
from fer_core.web.detector_graph import free_input_size
from fer_core.web.page import SINGLE_FILE, read_rules, write_page
from tests.exports import Exported
from tests.web.conftest import ROOT


def test_detector_of_any_size_answers_as_opencv_does() -> None:
    data = detector_file().read_bytes()
    session = onnxruntime.InferenceSession(free_input_size(data))
    names = [output.name for output in session.get_outputs()]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    rng = np.random.default_rng(0)
    for width, height in ((320, 256), (96, 160)):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        planes = image.transpose(2, 0, 1)[None].astype(np.float32)
        network.setInput(planes)
        expected = network.forward(names)
        for name, found, right in zip(
            names, session.run(names, {"input": planes}), expected, strict=True
        ):
            np.testing.assert_allclose(found.reshape(right.shape), right, atol=2e-3, err_msg=name)


def test_weights_of_the_detector_stay() -> None:
    data = detector_file().read_bytes()
    before, after = onnx.load_from_string(data), onnx.load_from_string(free_input_size(data))
    assert list(before.graph.initializer) == list(after.graph.initializer)
    assert list(before.graph.node) == list(after.graph.node)


def test_page_holds_network_detector_and_rules(page: Path, exported: Exported) -> None:
    facts = json.loads((page / "model" / "page.json").read_text())
    network = facts["network"]
    assert network["sha256"] == sha256_file(page / "model" / network["file"])
    assert (page / "model" / network["file"]).read_bytes() == exported.files["fp32"].read_bytes()
    assert network["labels"] == list(CLASSES)
    assert network["temperature"] == exported.metadata.temperature
    assert network["preprocessing"] == exported.metadata.preprocessing.to_dict()
    assert network["drawn_faces_only"] is True
    assert facts["detector"]["sha256"] == YUNET_SHA256
    assert facts["specification"] == Specification().to_dict()
    assert (page / "index.html").is_file() and not (page / RECORD).exists()


def test_same_bytes_each_time(page: Path, exported: Exported, tmp_path: Path) -> None:
    write_page(
        tmp_path,
        exported.files["fp32"],
        detector_file(),
        Specification(),
        "tiny",
        ["sample_expw"],
        ROOT / "web",
    )
    files = sorted(path.relative_to(page) for path in page.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert all((page / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_shipped_rules_are_the_defaults_of_both_engines() -> None:
    assert read_rules(ROOT / "live.yaml") == Specification()
    text = (ROOT / "web" / "src" / "engine" / "specification.ts").read_text()
    start = text.index("export const DEFAULTS")
    body = text[start : text.index("\n}\n", start)]
    for part in Specification().to_dict().values():
        for name, value in part.items():
            shown = f"'{value}'" if isinstance(value, str) else f"{value}".removesuffix(".0")
            assert f"{name}: {shown}" in body, name


def test_single_file_names_no_address_and_holds_everything(page: Path) -> None:
    text = (page / SINGLE_FILE).read_text()
    head = text[: text.index("<body")]
    assert "connect-src 'none'" in head and "'self'" not in head and "unsafe-inline" not in head
    assert not re.findall(r'(?:src|href)="\./', text)
    for name in ("page.json", "network.onnx", "detector.onnx"):
        inside = re.search(rf'id="file:model/{name}">([^<]+)</script>', text)
        assert inside and base64.b64decode(inside[1]) == (page / "model" / name).read_bytes()
    runtime = re.search(r'id="file:runtime.wasm" data-packed="gzip">([^<]+)</script>', text)
    (wasm,) = page.glob("assets/*.wasm")
    assert runtime and gzip.decompress(base64.b64decode(runtime[1])) == wasm.read_bytes()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.ts").write_text("export {}")
    return folder


def built(sources: Path) -> Path:
    (sources / "dist").mkdir()
    (sources / "dist" / "index.html").write_text("<!doctype html>")
    (sources / "dist" / RECORD).write_text(sources_sha256(sources))
    return sources


def test_page_that_is_not_built(sources: Path) -> None:
    with pytest.raises(ArtifactError, match="not built") as caught:
        find_bundle(sources)
    assert "make setup" in str(caught.value)


def test_page_that_was_built_from_other_sources(sources: Path) -> None:
    built(sources)
    (sources / "src" / "main.ts").write_text("export const changed = 1")
    with pytest.raises(ArtifactError, match="other sources") as caught:
        find_bundle(sources)
    assert "make setup" in str(caught.value)


def test_what_is_built_and_installed_is_no_source(sources: Path) -> None:
    before = sources_sha256(sources)
    built(sources)
    (sources / "node_modules").mkdir()
    (sources / "node_modules" / "package.js").write_text("x")
    assert sources_sha256(sources) == before
    assert bundle_files(find_bundle(sources)) == [Path("index.html")]


def test_copy_of_the_sources_finds_what_the_project_built(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an experiment of DVC that runs in a copy."""
    copy = Path(shutil.copytree(sources, tmp_path / "copy" / "web"))
    monkeypatch.setattr("sys.prefix", str(built(sources).parent / ".venv"))
    assert find_bundle(copy) == sources / "dist"
    (copy / "src" / "main.ts").write_text("export const changed = 1")
    with pytest.raises(ArtifactError, match="not built"):
        find_bundle(copy)


def test_nothing_is_built_twice(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_core.web.build.node", lambda: pytest.fail("Node is asked"))
    assert build(built(sources)) is False


def test_failed_build_says_what_npm_said(sources: Path) -> None:
    shutil.copyfile(ROOT / "web" / "package.json", sources / "package.json")
    with pytest.raises(ArtifactError, match="A tool of the page failed") as caught:
        build(sources)
    assert "npm-cli.js ci" in str(caught.value) and "package-lock.json" in str(caught.value)
    assert not (sources / "dist").exists()


def test_locked_packages_have_hashes_and_no_addresses() -> None:
    text = (ROOT / "web" / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    del packages[""]
    assert packages and all(entry.get("integrity") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
    assert "registry" not in text


def test_page_names_no_other_address() -> None:
    """All it loads lies beside it, by relative addresses."""
    text = (ROOT / "web" / "index.html").read_text()
    assert "connect-src 'self'" in text and "default-src 'none'" in text
    assert "//" not in text.replace("<!doctype html>", "")
    for path in (ROOT / "web" / "src").rglob("*.ts"):
        code = "\n".join(line.partition("// ")[0] for line in path.read_text().splitlines())
        assert "localStorage" not in code and "cookie" not in code, path
        assert "https://" not in code.replace("pages at https://", ""), path


def test_page_tells_intended_use_and_law_in_the_words_of_all_others() -> None:
    text = re.sub(r"\s+", " ", re.sub(r"</?em>", "", (ROOT / "web" / "index.html").read_text()))
    for words in (INTENDED_USE, NOT_FOR, EU_LAW, EU_LAW_IN_SHORT):
        assert words in text
    for page in ("live.md", "page.md"):
        told = (ROOT / "docs" / page).read_text()
        assert "5(1)(f)" in told and "50(3)" in told
