import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from fer_core.base.errors import ModelError
from fer_core.base.labels import CLASSES
from fer_core.export.onnx.export import export_files, export_network, save_onnx
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.predict.predictor import Predictor
from tests.exports import ARCH, PREPROCESSING, TEMPERATURE, Exported, export_small, faces

ROOT = Path(__file__).parents[3]


def test_graph_normalises_uint8_rgb_and_tempers_only_the_probabilities(exported: Exported) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    prepared = predictor.prepare(faces(9))
    pixels = torch.from_numpy(prepared).permute(0, 3, 1, 2).double() / 255
    mean, std = (
        torch.tensor(values).double().view(1, 3, 1, 1)
        for values in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    with torch.inference_mode():
        logits = exported.network(((pixels - mean) / std).float())
    found = predictor.run(prepared)
    assert found.logits.std() > 0.1
    np.testing.assert_allclose(found.logits, logits.numpy(), atol=1e-5 * float(logits.abs().max()))
    np.testing.assert_allclose(
        found.probabilities, torch.softmax(logits / TEMPERATURE, dim=1).numpy(), atol=1e-5
    )


def test_any_batch_size_gives_the_same_answer(exported: Exported) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    images = faces(5)
    whole = predictor.predict(images, batch=5)
    for batch in (1, 2, 64):
        np.testing.assert_allclose(
            predictor.predict(images, batch=batch).logits, whole.logits, rtol=1e-4, atol=1e-4
        )


def test_file_says_what_it_is(exported: Exported) -> None:
    props = {item.key: item.value for item in onnx.load(exported.files["fp16"]).metadata_props}
    assert props["precision"] == "fp16"
    assert props["labels"] == str(list(CLASSES)).replace("'", '"')
    assert props["preprocessing_hash"] == PREPROCESSING.hash()
    assert float(props["temperature"]) == TEMPERATURE
    assert (props["source_model_sha256"], props["rows_sha256"]) == (
        exported.card.weights_sha256,
        exported.card.rows_sha256,
    )
    assert (props["arch"], props["licence"], props["schema"]) == (ARCH, "for tests", "1")


def test_opset_is_the_one_asked_for(exported: Exported) -> None:
    assert [
        (item.domain, item.version) for item in onnx.load(exported.files["fp32"]).opset_import
    ] == [("", 18)]


def test_half_precision_halves_the_file_and_keeps_the_interface(exported: Exported) -> None:
    sizes = {precision: path.stat().st_size for precision, path in exported.files.items()}
    assert 0.4 < sizes["fp16"] / sizes["fp32"] < 0.75
    weights = [
        item
        for item in onnx.load(exported.files["fp16"]).graph.initializer
        if len(item.dims) == 4 and item.dims[0] > 1
    ]
    assert weights and all(item.data_type == onnx.TensorProto.FLOAT16 for item in weights)
    found = [
        Predictor(exported.files[precision], threads=1).predict(faces(9))
        for precision in ("fp32", "fp16")
    ]
    assert found[1].logits.dtype == found[1].probabilities.dtype == np.float32
    assert (
        0 < np.abs(found[0].logits - found[1].logits).max() < 0.02 * np.abs(found[0].logits).max()
    )


def test_bytes_repeat_and_name_no_path(tmp_path: Path, exported: Exported) -> None:
    first, second = (export_small(folder) for folder in (tmp_path, tmp_path / "again"))
    assert [path.read_bytes() for path in first.values()] == [
        path.read_bytes() for path in second.values()
    ]
    for path in exported.files.values():
        for trace in (b".py", b"site-packages", b"File ", b"pkg.torch", str(ROOT).encode()):
            assert trace not in path.read_bytes()


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from tests.exports import export_small; export_small(Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONHASHSEED": "5", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "other")],
        check=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
    )
    for path in export_small(tmp_path).values():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_arcface_teacher_is_exported_too(tmp_path: Path, exported: Exported) -> None:
    torch.manual_seed(0)
    network = ArcFaceNetwork(ARCH, PREPROCESSING.size, 16, 0.4, 30.0).eval()
    path = export_files(network, exported.metadata, 18, ("fp32",), tmp_path, "teacher")["fp32"]
    predictor = Predictor(path, threads=1)
    prepared = predictor.prepare(faces(3))
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    with torch.inference_mode():
        logits = network((torch.from_numpy(prepared).permute(0, 3, 1, 2) / 255 - mean) / std)
    np.testing.assert_allclose(predictor.run(prepared).logits, logits.numpy(), atol=1e-3)


def test_network_that_fixes_the_batch_is_refused() -> None:
    class FixedBatch(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3)).view(2, 3)

    with pytest.raises(ModelError, match="any batch size"):
        export_network(FixedBatch(), 32, 18)


def test_graph_that_breaks_the_standard_is_not_written(tmp_path: Path, exported: Exported) -> None:
    model = onnx.load(exported.files["fp32"])
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ModelError, match="ONNX standard"):
        save_onnx(model, tmp_path / "broken.onnx")
    assert list(tmp_path.iterdir()) == []
