from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.dataset.pack.rows import Rows
from fer_core.dataset.pack.tables import read_table, write_table
from fer_core.targets.checks import rows_digest
from fer_core.targets.softlabels import (
    _INDEX,
    _INDEX_KIND,
    read_softlabels,
    write_softlabels,
)
from tests.arrange_logits import DEV, K, metrics_of, noisy_logits, rows_of
from tests.artifacts import reseal

ROWS = rows_of(DEV)


def targets() -> np.ndarray:
    labels = ROWS.labels[ROWS.split("train")]
    return np.stack([noisy_logits(labels, k) for k in range(K + 1)], axis=1)


def of_teachers() -> dict[str, np.ndarray]:
    labels = ROWS.labels[ROWS.split("train")]
    return {
        tag: np.stack([noisy_logits(labels, 10 * (m + 1) + k) for k in range(K + 1)], axis=1)
        for m, tag in enumerate(["rn18", "b3"])
    }


def write(folder: Path) -> None:
    write_softlabels(
        folder,
        ROWS,
        targets(),
        of_teachers(),
        made_from={"preprocessing": "p" * 64, "views": "v" * 64},
        ensemble={"weights": {"rn18": 1.0}},
        metrics=metrics_of(targets(), ROWS.labels[ROWS.split("train")]),
    )


def edit_arrays(
    change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    name: str = "softlabels.npz",
) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with np.load(folder / name) as arrays:
            logits, y = change(arrays["logits"].copy(), arrays["y"].copy())
        np.savez(folder / name, logits=logits, y=y)

    return edit


def edit_index(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / "softlabels_index.parquet"
        write_table(file, change(read_table(file, _INDEX, _INDEX_KIND)), _INDEX, _INDEX_KIND)

    return edit


def edit_json(name: str, **values: object) -> Callable[[Path], None]:
    return lambda folder: write_json(folder / name, read_json(folder / name) | values)


def set_cell(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[5, column] = value
        return frame

    return change


def swap_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[1, 0, *range(2, len(frame))]].assign(i=np.arange(len(frame)))


def exchanged(logits: np.ndarray) -> np.ndarray:
    """Rows 3 and 10, of one label, in each other's place."""
    return logits[[*range(3), 10, *range(4, 10), 3, *range(11, len(logits))]]


def reverse_with_digest(folder: Path) -> None:
    """What a program would leave that fuses in the wrong order and does all else right."""
    edit_arrays(lambda z, y: (z[::-1], y))(folder)
    with np.load(folder / "softlabels.npz") as fused, np.load(folder / "teachers.npz") as singly:
        ids = ROWS.frame["sample_id"].iloc[ROWS.split("train")].tolist()
        edit_json(
            "alignmentreport.json", rows_digest=rows_digest(ids, fused["logits"], singly["logits"])
        )(folder)


def with_nan_of_a_teacher(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits[3, 1, 0, 2] = np.nan
    return logits, y


def with_nan(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits[3, 1, 2] = np.nan
    return logits, y


def other_label(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y[3] = (y[3] + 1) % 7
    return logits, y


def lose_last_row(folder: Path) -> None:
    edit_index(lambda frame: frame.iloc[:-1])(folder)
    for name in ("softlabels.npz", "teachers.npz"):
        edit_arrays(lambda z, y: (z[:-1], y[:-1]), name)(folder)
    edit_json("alignmentreport.json", rows=DEV["train"] - 1)(folder)


FORGERIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "id": (edit_index(set_cell("sample_id", "rafdb_basic/other.png")), "sample_id of 1"),
    "source": (edit_index(set_cell("source", "expw")), "source of 1"),
    "label of the index": (edit_index(set_cell("y", 6)), "y of the index of 1"),
    "label of the arrays": (edit_arrays(other_label), "y of the arrays of 1"),
    "labels not whole numbers": (
        edit_arrays(lambda z, y: (z, y.astype(np.float32))),
        "another type",
    ),
    "order of two rows": (edit_index(swap_rows), "sample_id of 2"),
    "numbering": (edit_index(set_cell("i", 6)), "order of 1"),
    "row lost everywhere": (lose_last_row, "same number"),
    "row lost in the arrays": (edit_arrays(lambda z, y: (z[:-1], y[:-1])), "same number"),
    "row lost in the logits": (edit_arrays(lambda z, y: (z[:-1], y)), "same number"),
    "row added to the index": (
        edit_index(lambda t: pd.concat([t, t.tail(1)], ignore_index=True)),
        "same number",
    ),
    "row count of the report": (edit_json("alignmentreport.json", rows=59), "same number"),
    "view lost": (edit_arrays(lambda z, y: (z[:, :-1], y)), "number of views"),
    "view count of the report": (edit_json("alignmentreport.json", views=K + 1), "number of views"),
    "six classes": (edit_arrays(lambda z, y: (z[..., :6], y)), "do not fit"),
    "type": (edit_arrays(lambda z, y: (z.astype(np.float32), y)), "another type"),
    "not finite": (edit_arrays(with_nan), "not finite"),
    "class order": (
        lambda f: write_json(
            f / "classorder.json", list(reversed(read_json(f / "classorder.json")))
        ),
        "class order",
    ),
    "arrays cut": (
        lambda f: (f / "softlabels.npz").write_bytes((f / "softlabels.npz").read_bytes()[:-100]),
        "damaged",
    ),
    "label of the teachers": (
        edit_arrays(other_label, "teachers.npz"),
        "y of the teachers' arrays of 1",
    ),
    "row lost in the teachers": (
        edit_arrays(lambda z, y: (z[:-1], y[:-1]), "teachers.npz"),
        "same number",
    ),
    "view lost in the teachers": (
        edit_arrays(lambda z, y: (z[:, :-1], y), "teachers.npz"),
        "teachers' own logits do not fit",
    ),
    "teacher lost": (
        edit_arrays(lambda z, y: (z[:, :, :1], y), "teachers.npz"),
        "teachers' own logits do not fit",
    ),
    "teacher not named": (
        edit_json("alignmentreport.json", teachers=["rn18"]),
        "teachers' own logits do not fit",
    ),
    "type of the teachers": (
        edit_arrays(lambda z, y: (z.astype(np.float32), y), "teachers.npz"),
        "teacher's logits are of another type",
    ),
    "teacher not finite": (edit_arrays(with_nan_of_a_teacher, "teachers.npz"), "not finite"),
    "teachers' arrays cut": (
        lambda f: (f / "teachers.npz").write_bytes((f / "teachers.npz").read_bytes()[:-100]),
        "damaged",
    ),
    "logits in reverse": (edit_arrays(lambda z, y: (z[::-1], y)), "are not at the rows"),
    "logits of two rows of a label exchanged": (
        edit_arrays(lambda z, y: (exchanged(z), y)),
        "are not at the rows",
    ),
    "teachers' logits in reverse": (
        edit_arrays(lambda z, y: (z[::-1], y), "teachers.npz"),
        "are not at the rows",
    ),
    "views exchanged": (edit_arrays(lambda z, y: (z[:, ::-1], y)), "are not at the rows"),
    "logits in reverse and the digest of these": (reverse_with_digest, "do not know their rows"),
    "digest lost": (
        edit_json("alignmentreport.json", rows_digest=None),
        "are not at the rows",
    ),
    "metrics lost": (edit_json("ensemble_metrics.json", splits={}), "do not tell"),
    "another array": (
        lambda f: np.savez(f / "softlabels.npz", p=np.zeros(3)),
        "not those expected",
    ),
}


def test_what_was_written_is_read(tmp_path):
    write(tmp_path / "soft")
    found = read_softlabels(tmp_path / "soft", ROWS)
    np.testing.assert_array_equal(found.logits, targets().astype(np.float16))
    np.testing.assert_array_equal(found.labels, ROWS.labels[ROWS.split("train")])
    assert (found.preprocessing_hash, found.views_hash, found.rows_sha256) == (
        "p" * 64,
        "v" * 64,
        ROWS.sha256,
    )
    assert found.sha256 == sha256_file(tmp_path / "soft" / "softlabels.npz")
    assert found.of_teachers_sha256 == sha256_file(tmp_path / "soft" / "teachers.npz")
    assert found.teachers == ("rn18", "b3")
    np.testing.assert_array_equal(
        found.of_teachers[:, :, 1], of_teachers()["b3"].astype(np.float16)
    )


def test_same_targets_give_the_same_bytes(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert len(list((tmp_path / "a").iterdir())) == 7
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize(("forge", "says"), FORGERIES.values(), ids=FORGERIES.keys())
def test_forgery_with_hashes_that_fit_is_still_seen(tmp_path, forge, says):
    write(tmp_path / "soft")
    forge(tmp_path / "soft")
    reseal(tmp_path / "soft")
    with pytest.raises(ArtifactError, match=says):
        read_softlabels(tmp_path / "soft", ROWS)


def test_rehashing_alone_harms_nothing(tmp_path):
    write(tmp_path / "soft")
    edit_index(lambda frame: frame)(tmp_path / "soft")
    edit_arrays(lambda z, y: (z, y))(tmp_path / "soft")
    reseal(tmp_path / "soft")
    read_softlabels(tmp_path / "soft", ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "softlabels.npz",
        "teachers.npz",
        "softlabels_index.parquet",
        "classorder.json",
        "alignmentreport.json",
        "ensemble_metrics.json",
    ],
)
def test_one_changed_byte_of_any_file_is_seen(tmp_path, name):
    write(tmp_path / "soft")
    file = tmp_path / "soft" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match="was changed"):
        read_softlabels(tmp_path / "soft", ROWS)


def test_logits_changed_a_little_are_seen(tmp_path):
    write(tmp_path / "soft")
    edit_arrays(lambda z, y: (z + np.float16(0.01), y))(tmp_path / "soft")
    with pytest.raises(ArtifactError, match="was changed"):
        read_softlabels(tmp_path / "soft", ROWS)


def test_added_file_is_seen(tmp_path):
    write(tmp_path / "soft")
    (tmp_path / "soft" / "softlabels_of_last_week.npz").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"was added(.|\n)*last_week"):
        read_softlabels(tmp_path / "soft", ROWS)


def test_writer_refuses_logits_that_are_not_those_that_were_measured(tmp_path):
    measured = metrics_of(targets(), ROWS.labels[ROWS.split("train")])
    with pytest.raises(ArtifactError, match="do not know their rows"):
        write_softlabels(
            tmp_path / "soft",
            ROWS,
            targets()[::-1],
            of_teachers(),
            made_from={"preprocessing": "p", "views": "v"},
            ensemble={},
            metrics=measured,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["softlabels.npz", "teachers.npz", "classorder.json"])
def test_missing_file_is_seen(tmp_path, name):
    write(tmp_path / "soft")
    (tmp_path / "soft" / name).unlink()
    with pytest.raises(ArtifactError, match="missing"):
        read_softlabels(tmp_path / "soft", ROWS)


def test_a_header_that_skips_a_file_is_refused(tmp_path):
    write(tmp_path / "soft")
    header = read_json(tmp_path / "soft" / "header.json")
    del header["files"]["softlabels.npz"]
    write_json(tmp_path / "soft" / "header.json", header)
    with pytest.raises(ArtifactError, match="was added"):
        read_softlabels(tmp_path / "soft", ROWS)


def test_soft_labels_of_an_older_version_are_refused_with_the_remedy(tmp_path):
    write(tmp_path / "soft")
    (tmp_path / "soft" / "header.json").unlink()
    with pytest.raises(ArtifactError, match=r"older version(.|\n)*fer run"):
        read_softlabels(tmp_path / "soft", ROWS)


def test_soft_labels_of_another_manifest_are_refused(tmp_path):
    write(tmp_path / "soft")
    with pytest.raises(ArtifactError, match="other rows"):
        read_softlabels(tmp_path / "soft", Rows(ROWS.frame, "0" * 64))


@pytest.mark.parametrize(
    "bad",
    [lambda z: z[:-1], lambda z: z[:, 0], lambda z: z[:, :1], lambda z: 1e6 * z],
    ids=["row lost", "no view axis", "no views", "overflow"],
)
def test_writer_refuses_targets_that_do_not_fit_and_leaves_nothing(tmp_path, bad):
    with pytest.raises(ArtifactError):
        write_softlabels(
            tmp_path / "soft",
            ROWS,
            bad(targets()),
            of_teachers(),
            made_from={"preprocessing": "p", "views": "v"},
            ensemble={},
            metrics={},
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bad",
    [lambda z: z[:-1], lambda z: z[:, :1], lambda z: 1e6 * z],
    ids=["row lost", "views lost", "overflow"],
)
def test_writer_refuses_teachers_that_do_not_fit_and_leaves_nothing(tmp_path, bad):
    teachers = {tag: bad(logits) for tag, logits in of_teachers().items()}
    with pytest.raises(ArtifactError, match="teacher"):
        write_softlabels(
            tmp_path / "soft",
            ROWS,
            targets(),
            teachers,
            made_from={"preprocessing": "p", "views": "v"},
            ensemble={},
            metrics={},
        )
    assert not list(tmp_path.iterdir())
