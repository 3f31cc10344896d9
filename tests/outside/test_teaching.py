"""Two teachers from elsewhere, a network and a table, teach: logits, ensemble, soft labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fer_core.base.artifact import REMAKE
from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, sha256_file
from fer_core.base.labels import CLASSES
from fer_core.base.params import PARAMS_FILE, Params, read_params
from fer_core.dataset.manifest.table import write_manifest
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.logits.store import read_logits
from fer_core.outside.described.description import read_outside
from fer_core.outside.described.taught import taught_by
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.softlabels import read_softlabels
from stages import ensemble, evaluate, logits_outside, softlabels, unlabelled
from tests.arrange_logits import manifest_of
from tests.outside.peers import COLUMNS, network_entry, weights, write_network
from tests.shipped import write_params
from tests.tiny import write_tiny_project

SIDE = 24
CLAHE = {"clahe": True, "crop": 0.8}
DEV, TEST = Path("data/pack/dev"), Path("data/pack/test")


def seen(crop: Preprocessing, bank: ImageBank, view: int) -> np.ndarray:
    """What a plain network of these views sees, mean of each channel of 0 to 255."""
    images = bank.view(np.arange(len(bank._slot)), view).numpy()
    return np.rint((images.transpose(0, 2, 3, 1) * crop.std + crop.mean) * 255).mean(axis=(1, 2))


def answers(means: np.ndarray) -> np.ndarray:
    matrix, bias = weights()
    z = (means / 255 - 0.5) / 0.25 @ matrix + bias
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return np.log(p[:, COLUMNS])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A project whose teachers are a network, and a table without views."""
    monkeypatch.chdir(tmp_path)
    write_tiny_project(tmp_path)
    params = read_params()
    takes = {"mean": 0.5, "std": 0.25}
    params["teachers"] = {
        "net": network_entry("peer.onnx", SIDE, preprocessing=takes, answers="probabilities")
        | {"trained_on": ["tiny faces", "others"], "overlap": {"tiny": "part"}},
        "table": {"logits": "table.csv", "trained_on": "unknown", "overlap": "unknown"},
    }
    params["preprocessing"] |= CLAHE
    params["ensemble"] = {"spaces": ["logit"], "step": 0.25, "objective": "nll"}
    write_params(PARAMS_FILE, params)
    write_network(Path("peer.onnx"), SIDE, softmax=True)
    write_table([*read_rows(DEV).sample_ids, "of no pack"])
    return params


def write_table(ids: list[str]) -> None:
    """Logits that know every third label of the dev rows."""
    ids = [*dict.fromkeys([*ids, *read_rows(TEST).sample_ids])]
    values = np.random.default_rng(2).normal(0, 1, (len(ids), 7))
    labels = np.arange(len(ids)) % 7
    values[np.arange(len(ids)), labels] += 3.0 * (np.arange(len(ids)) % 3 == 0)
    table = pd.DataFrame(values, columns=list(CLASSES))
    table.insert(0, "sample_id", ids)
    table.sample(frac=1, random_state=1).to_csv("table.csv", index=False)


def test_logits_and_soft_labels_are_what_the_two_answer(project: dict[str, Any]) -> None:
    for tag, file in (("net", "peer.onnx"), ("table", "table.csv")):
        logits_outside.main(tag, Path(file))
    ensemble.main()
    softlabels.main()

    rows, pack = read_rows(DEV), Pack.open(DEV)
    train, count = rows.split("train"), len(rows)
    dev = {tag: read_logits(Path(f"data/logits/{tag}/dev"), rows, tag) for tag in ("net", "table")}
    crop = Preprocessing(**project["preprocessing"] | {"size": SIDE, "clahe": False})
    by_hand = np.stack([crop.prepare(decode_rgb(pack.image(i), "")) for i in range(count)])
    views = ViewOptions.model_validate(project["views"])
    bank = ImageBank(pack, range(count), crop, views, 1, torch.device("cpu"))
    net = answers(by_hand.mean(axis=(1, 2)))
    assert np.allclose(dev["net"].eval, net, atol=0.01)
    net_views = np.stack([answers(seen(crop, bank, k)) for k in range(1, views.count + 1)], axis=1)
    assert np.allclose(dev["net"].views, net_views[train], atol=0.01)

    values = pd.read_csv("table.csv", index_col="sample_id").loc[rows.sample_ids].to_numpy()
    assert np.allclose(dev["table"].eval, values, atol=0.01)
    assert dev["table"].views is not None and dev["table"].views.shape == (len(train), 2, 7)
    assert (dev["table"].views == dev["table"].eval[train][:, None]).all()
    test = read_rows(TEST)
    assert read_logits(Path("data/logits/net/test"), test, "net").covers == ("test",)

    chosen = read_json(Path("data/ensemble/ensemble.json"))
    how, temperatures = chosen["chosen"], chosen["temperatures"]
    fused = sum(
        how["weights"][tag] * logits / temperatures[tag]
        for tag, logits in {
            "net": np.concatenate([net[train][:, None], net_views[train]], axis=1),
            "table": np.repeat(values[train][:, None], 3, axis=1),
        }.items()
    )
    soft = read_softlabels(Path("data/softlabels"), rows)
    assert how["space"] == "logit" and min(how["weights"].values()) > 0
    assert np.allclose(soft.logits, fused / how["temperature"], atol=0.02)
    assert soft.preprocessing_hash == Preprocessing(**project["preprocessing"]).hash_at_any_size()


def test_what_is_stated_goes_with_the_logits(project: dict[str, Any]) -> None:
    for tag, file in (("net", "peer.onnx"), ("table", "table.csv")):
        logits_outside.main(tag, Path(file))
    net = read_outside(Path("data/teachers/net/outside"), "net")
    table = read_outside(Path("data/teachers/table/outside"), "table")
    assert (net.trained_on, net.views) == ("tiny faces; others", "each")
    assert (table.trained_on, table.views) == ("unknown", "evaluation")
    assert net.overlap(["tiny"], "everything") == "part"
    assert net.overlap(["tiny", "else"]) == "part" and net.overlap(["else"]) == "unknown"
    assert table.overlap(["tiny"]) == "unknown"
    logits = read_logits(Path("data/logits/net/test"), read_rows(TEST), "net")
    assert logits.model_sha256 == net.sha256 == sha256_file(Path("peer.onnx"))
    with pytest.raises(ArtifactError, match=REMAKE.split("(")[0]):
        read_outside(Path("data/teachers/net/outside"), "table")


def test_it_is_evaluated_as_a_teacher_of_unknown_budget(project: dict[str, Any]) -> None:
    logits_outside.main("net", Path("peer.onnx"))
    rows, test = read_rows(DEV), read_rows(TEST)
    write_manifest(Path("data/manifest.parquet"), manifest_of(rows.frame))
    evaluate.main("net", Path("data/teachers/net/outside"))
    found = read_evaluation(Path("data/evaluation/net"))
    assert (found.kind, found.budget) == ("teacher", {})
    right = found.test.eval.argmax(axis=1) == test.labels
    measured = found.metrics["everything"]["metrics"]["accuracy"]["value"]
    assert measured == pytest.approx(right.mean(), abs=1e-6)


def test_faces_without_labels_are_asked_of_both_as_train_rows_were(
    project: dict[str, Any],
) -> None:
    files = {"net": Path("peer.onnx"), "table": Path("table.csv")}
    for tag, file in files.items():
        logits_outside.main(tag, file)
    rows = read_rows(DEV)
    found = unlabelled._asked(Params.load(), Pack.open(DEV))
    train = rows.split("train")
    for tag in files:
        known = read_logits(Path(f"data/logits/{tag}/dev"), rows, tag)
        assert found[tag].sample_ids == [rows.sample_ids[row] for row in train]
        assert found[tag].model_sha256 == known.model_sha256
        np.testing.assert_array_equal(found[tag].eval, known.eval[train])
        np.testing.assert_array_equal(found[tag].views, known.views)
    with files["table"].open("a") as stream:
        stream.write("of no pack 2,0,0,0,0,0,0,0\n")
    with pytest.raises(ArtifactError, match="another than the one"):
        unlabelled._asked(Params.load(), Pack.open(DEV))


def test_a_table_with_views_answers_each_view(project: dict[str, Any]) -> None:
    table, rows = pd.read_csv("table.csv"), read_rows(DEV)
    parts = [table.assign(view=view) for view in range(3)]
    for view, part in enumerate(parts):
        part[list(CLASSES)] += np.eye(7)[view]
    joined = pd.concat(parts)[["sample_id", "view", *CLASSES]]
    joined.to_parquet("table.parquet")
    views = ViewOptions.model_validate(project["views"]).hash()
    project["teachers"]["table"] |= {"logits": "table.parquet", "views": views}
    write_params(PARAMS_FILE, project)
    logits_outside.main("table", Path("table.parquet"))
    found = read_logits(Path("data/logits/table/dev"), rows, "table")
    train, by_id = rows.split("train"), joined.set_index(["sample_id", "view"])
    ids = [rows.sample_ids[row] for row in train]
    assert found.views is not None
    for view in (1, 2):
        wanted = by_id.loc[[(key, view) for key in ids]].to_numpy()
        assert np.allclose(found.views[:, view - 1], wanted, atol=0.01)
    assert read_outside(Path("data/teachers/table/outside"), "table").views == "each"
    short = joined[(joined["view"] < 2) | (joined["sample_id"] != ids[3])]
    short.to_parquet("table.parquet")
    with pytest.raises(DataError, match=rf"{ids[3]}, view 2"):
        logits_outside.main("table", Path("table.parquet"))


def test_a_table_without_a_picture_is_refused(project: dict[str, Any]) -> None:
    table = pd.read_csv("table.csv")
    gone = read_rows(TEST).sample_ids[5]
    table[table["sample_id"] != gone].to_csv("table.csv", index=False)
    with pytest.raises(DataError, match=rf"1 of \d+ pictures(.|\n)*{gone}"):
        logits_outside.main("table", Path("table.csv"))
    assert not Path("data/logits/table").exists()


@pytest.mark.parametrize(
    ("targets", "init", "params", "expected"),
    [
        (None, "init", {"method": "ce", "ce": {}}, []),
        ("fused", "init", {"method": "kd", "kd": {}}, ["net"]),
        ("each", "init", {"method": "mtkd", "mtkd": {}}, ["net", "table"]),
        (None, "weights of kd", {"method": "ce", "ce": {"start": "kd"}}, ["net"]),
        (None, "unknown", {"method": "ce", "ce": {"start": "kd"}}, ["net", "table"]),
    ],
)
def test_who_taught_a_student_follows_from_its_targets_and_its_start(
    tmp_path: Path, targets: str | None, init: str, params: dict[str, Any], expected: list[str]
) -> None:
    (tmp_path / "softlabels.npz").write_bytes(b"fused")
    report = '{"teachers": ["net", "table"], "ensemble": {"weights": {"net": 1.0, "table": 0.0}}}'
    (tmp_path / "alignmentreport.json").write_text(report)
    fused = sha256_file(tmp_path / "softlabels.npz")
    cards = {
        "x": {"targets_sha256": fused if targets == "fused" else targets}
        | {"init_sha256": init, "weights_sha256": "x", "params": params},
        "kd-1": {"targets_sha256": fused, "init_sha256": "init", "params": {"method": "kd"}}
        | {"weights_sha256": "weights of kd"},
    }
    assert taught_by(cards, tmp_path)["x"] == expected
