"""A release answers this project's rows as the network itself does, and never its own run's."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_json
from fer_core.base.params import Params
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.inspection.released import evaluate_release
from fer_core.models.networks.saved import save_model
from fer_core.pixels.decode import decode_rgb
from tests.exports import PREPROCESSING, save_tiny, tiny_network
from tests.tiny import write_half


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Pack, Pack]:
    monkeypatch.chdir(tmp_path)
    splits = 8 * ["val"] + 6 * ["calib"] + 7 * ["train"]
    write_half(tmp_path / "data/pack/dev", splits)
    write_half(tmp_path / "data/pack/test", 9 * ["test"], seed=2)
    return Pack.open(Path("data/pack/dev")), Pack.open(Path("data/pack/test"))


def like(dev: Pack) -> Any:
    sets = {"everything": np.ones(9, dtype=bool)}
    return SimpleNamespace(
        dev=SimpleNamespace(rows_sha256=dev.rows.sha256), sets=sets, cluster_of={}
    )


def test_a_release_answers_as_its_network_does(project: tuple[Pack, Pack]) -> None:
    folder = Path("models/ready")
    save_tiny(folder / "model")
    for mirror in (False, True):
        write_json(folder / "provenance.json", {"params": {"student": {"mirror": mirror}}})
        found = evaluate_release(folder, like(project[0]), Params({}, Path("params.yaml")))
        assert (len(found.test), found.key) == (9, "models/ready")
        names = [name for name, _, _ in found.each_set()]
        assert names == ["val", "calib", "everything"]
        network = tiny_network()
        prepare, pack = PREPROCESSING, project[1]
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (prepare.mean, prepare.std))
        for row in range(len(pack)):
            face = prepare.prepare(decode_rgb(pack.image(row), ""))
            image = (torch.from_numpy(face).permute(2, 0, 1).float() / 255 - mean) / std
            shown = torch.stack([image, image.flip(2)] if mirror else [image])
            with torch.inference_mode():
                expected = network(shown).mean(dim=0).numpy()
            np.testing.assert_allclose(found.test.eval[row], expected, atol=2e-3)


def test_a_network_of_this_very_run_is_refused(project: tuple[Pack, Pack]) -> None:
    folder = Path("models/ready")
    card = save_tiny(folder / "model")
    write_json(folder / "provenance.json", {"params": {"student": {}}})
    save_model(folder / "model", tiny_network(), replace(card, rows_sha256=project[0].rows.sha256))
    with pytest.raises(ArtifactError, match="of this very run"):
        evaluate_release(folder, like(project[0]), Params({}, Path("params.yaml")))
