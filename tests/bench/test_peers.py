"""The pure parts of the peers benchmark: who has a twin in Training, ratios, the command, and the
page.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.peers import PEERS, Peer, PeerNetwork
from bench.peers_bench import Faces, answers_of, quality_of, read_faces
from bench.peers_page import command_of, page_of, with_ratios
from fer_core.base.labels import INDEX


def pixels(grey: int) -> str:
    return " ".join([str(grey)] * 2304)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "fer2013.csv"
    rows = [
        (0, 10, "PublicTest"),
        (3, 10, "Training"),
        (3, 20, "Training"),
        (4, 30, "PublicTest"),
        (5, 20, "PrivateTest"),
    ]
    file.write_text(
        "emotion,pixels,Usage\n"
        + "".join(f"{label},{pixels(grey)},{usage}\n" for label, grey, usage in rows)
    )
    return file


def test_test_rows_with_the_pixels_of_a_training_row_are_known(table: Path) -> None:
    faces = read_faces(table, "PublicTest")
    assert faces.labels.tolist() == [0, 4] and faces.seen.tolist() == [True, False]
    assert [int(image[0, 0, 0]) for image in faces.images] == [10, 30]


def test_accuracy_without_twins_leaves_out_what_training_holds() -> None:
    faces = Faces([], np.array([0, 1, 2, 3]), np.array([True, True, False, False]))
    answers = np.eye(7)[[0, 1, 2, 6]] * 5
    found = quality_of(answers, faces)
    assert (found["accuracy"], found["accuracy_unseen"]) == (0.75, 0.5)


def test_a_network_of_single_images_is_asked_one_by_one_and_answers_in_our_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    class Session:
        def __init__(self, *_: object, **__: object) -> None: ...

        def get_inputs(self) -> list[argparse.Namespace]:
            return [argparse.Namespace(name="in")]

        def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            asked.append(len(given["in"]))
            return [np.arange(7.0)[None].repeat(len(given["in"]), axis=0)]

    monkeypatch.setattr("bench.peers.onnxruntime.InferenceSession", Session)
    peer: Peer = PEERS[0]
    images = [np.zeros((48, 48, 3), dtype=np.uint8)] * 3
    answers = answers_of(PeerNetwork(peer, Path("none.onnx")), images, "a")
    assert asked == [1, 1, 1]
    assert answers[0].tolist() == [
        float(peer.order.index(name)) for name in sorted(INDEX, key=lambda name: INDEX[name])
    ]


def timed() -> pd.DataFrame:
    facts = {
        "precision": "fp32",
        "provider": "CPU",
        "scope": "model",
        "batch": 1,
        "threads": 1,
        "rounds": 10,
        "calls": 1000,
    }
    facts |= {
        "p50_ms": 1.0,
        "p90_ms": 2.0,
        "p99_ms": 3.0,
        "cpu": "Some CPU",
        "cores": 2,
        "load_average": 0.5,
        "onnxruntime": "9.9",
    }
    lines = [("a", 112, 2.0, 0.5), ("reference", 112, 4.0, 1.0), ("reference", 224, 8.0, 1.0)]
    return pd.DataFrame(
        [
            facts
            | {
                "model": model,
                "size": size,
                "best_p50_ms": best,
                "ratio_to_reference": ratio,
                "pinned": True,
            }
            for model, size, best, ratio in lines
        ]
    )


def test_ratio_to_the_plain_export_of_224_px_is_of_the_same_work() -> None:
    other = timed().assign(threads=2, best_p50_ms=[3.0, 5.0, 12.0])
    found = with_ratios(pd.concat([timed(), other], ignore_index=True))
    assert found[found["model"] == "a"].set_index("threads")["ratio_to_224"].to_dict() == {
        1: 0.25,
        2: 0.25,
    }
    assert with_ratios(timed().query("size != 224"))["ratio_to_224"].isna().all()


def test_the_page_names_files_and_command_and_no_folder_of_this_machine(tmp_path: Path) -> None:
    (file := tmp_path / "a b.onnx").write_bytes(b"x")
    options = argparse.Namespace(
        fer2013=tmp_path / "fer2013.csv.gz",
        peers=tmp_path,
        ours=[file],
        usage="PublicTest",
        out=tmp_path / "peers.md",
    )
    command = command_of(options)
    quality = pd.DataFrame(
        {
            "a": {
                "accuracy": 0.75,
                "accuracy_unseen": np.nan,
                "macro_f1": 0.5,
                "ece": 0.1,
                "nll": 1.0,
            }
        }
    ).T
    page = page_of(
        quality,
        with_ratios(timed()),
        {"a": file},
        "PublicTest",
        np.array([True, False, False]),
        command,
    )
    assert f"--peers {tmp_path.name} --ours 'a b.onnx' --usage PublicTest --out peers.md" in page
    assert str(tmp_path.parent) not in page and not re.search(r"[{}]|nan", page)
    assert "3 rows of PublicTest of FER2013; 2 of them have no twin" in page
    assert "| a | 0.750 |  | 0.500 |" in page
    assert (
        "On 2 cores of Some CPU, onnxruntime 9.9, load 0.5" in page
        and "1,000 calls in 10 rounds for batches of 1" in page
    )
    assert "| a | 112 | CPU | network | 1 | 1 | 1.00 | 2.00 | 3.00 | 0.5 | 0.25 |" in page
