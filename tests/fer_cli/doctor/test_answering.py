from pathlib import Path

import pytest

from fer_cli.doctor.answering import check_detector, check_model
from fer_core.base.files import write_json
from fer_core.predict.detection import YUNET_NAME


def test_the_detector_is_listed_and_a_faulty_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = check_detector()
    assert found.level == "ok" and found.text == YUNET_NAME
    for content in (None, b"<html>"):
        if content is not None:
            (tmp_path / "yunet.onnx").write_bytes(content)
        monkeypatch.setattr(
            "fer_core.predict.fetching.detector_file", lambda: tmp_path / "yunet.onnx"
        )
        (found,) = check_detector()
        assert found.level == "warn" and "make setup" in found.remedy


def test_the_network_is_named_or_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "student.onnx"
    monkeypatch.setattr("fer_core.predict.ready.default_model", lambda: file)
    (found,) = check_model()
    assert found.level == "ok" and "fer run" in found.text
    file.write_bytes(b"")
    (found,) = check_model()
    assert found.text == str(file)
    write_json(tmp_path / "provenance.json", {"files": {file.name: "0" * 64}})
    (found,) = check_model()
    assert found.level == "FAIL" and "not as it was made" in found.text
    assert "git checkout" in found.remedy
