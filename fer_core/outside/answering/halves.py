"""Logits of a teacher from elsewhere for one half of the pack, as the artifact that a trained
teacher's logits are.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file
from fer_core.base.logs import progress_off
from fer_core.base.settings import Settings
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import Rows
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.logits.store import LogitsSet, Origin, logits_of_rows
from fer_core.outside.answering.network import OutsideNetwork
from fer_core.outside.answering.table import LogitsTable, read_logits_table
from fer_core.outside.described.description import OutsideTeacher
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["Asked", "logits_from_elsewhere", "network_logits", "table_logits"]

_BATCH = 256
_STORED = np.float16


@dataclass(frozen=True)
class Asked:
    """What is asked of a teacher from elsewhere.

    Attributes:
        covers: splits whose rows to answer.
        preprocessing: section of that name: which part of a picture is seen.
        views: with options, the stored training views of the train rows are answered as well.
    """

    covers: tuple[str, ...]
    preprocessing: Preprocessing
    views: ViewOptions | None = None

    def origin(self, teacher: OutsideTeacher) -> Origin:
        """What the logits are recorded to be made with."""
        views = None if self.views is None else self.views.hash()
        return Origin(teacher.tag, teacher.sha256, self.preprocessing.hash_at_any_size(), views)


def logits_from_elsewhere(
    teacher: OutsideTeacher, pack: Pack, asked: Asked, settings: Settings, threads: int
) -> LogitsSet:
    """Ask a teacher, a network or a table, whatever its file holds now.

    Args:
        teacher: as the stage `logits_outside` described it.
        pack: of the rows.
        asked: what to answer.
        settings: of the machine.
        threads: of a network; 0 for the machine's.

    Raises:
        ArtifactError: the file is another than described.
        DataError: a table misses a picture, or is none.
        ModelError: a network cannot be used.
    """
    file, entry = Path(teacher.entry.file), teacher.entry
    if (found := sha256_file(file)) != teacher.sha256:
        raise ArtifactError(
            "This teacher's file is another than the one that the other rows were asked of.",
            where=file,
            found=found,
            expected=teacher.sha256,
            remedy="run `fer run logits_outside` again",
        )
    if entry.onnx is not None:
        network = OutsideNetwork(file, entry, threads or settings.cpu_threads())
        return network_logits(teacher, network, pack, asked, settings)
    assert asked.views is not None
    return table_logits(teacher, read_logits_table(file, entry, asked.views), pack.rows, asked)


def network_logits(
    teacher: OutsideTeacher, network: OutsideNetwork, pack: Pack, asked: Asked, settings: Settings
) -> LogitsSet:
    """Show a network every row of some splits, and every stored view of the train rows.

    It sees the same part of a picture as a student, flipped and coloured alike, but without CLAHE,
    and its own preprocessing follows.

    Raises:
        ModelError: as `OutsideNetwork.logits`.
        ArtifactError: a logit that float16 cannot hold.
    """
    assert teacher.entry.preprocessing is not None
    rows, train = pack.rows.split(*asked.covers), pack.rows.split("train")
    seen = replace(
        asked.preprocessing, size=teacher.entry.preprocessing.side, clahe=False, clahe_tile=1
    )
    bank = ImageBank(
        pack,
        rows,
        seen,
        asked.views,
        settings.cpu_threads(),
        torch.device("cpu"),
        settings.memory_gb,
    )

    def answered(some: np.ndarray, view: int) -> np.ndarray:
        batches = [some[start : start + _BATCH] for start in range(0, len(some), _BATCH)]
        bank.expect(batches)
        bar = tqdm(batches, f"{teacher.tag}, view {view}", leave=False, disable=progress_off())
        found = [network.logits(pixels_of(bank.view(batch, view), seen)) for batch in bar]
        return np.concatenate(found).astype(_STORED)

    views = None
    if asked.views is not None:
        views = np.stack([answered(train, k) for k in range(1, asked.views.count + 1)], axis=1)
    return logits_of_rows(pack.rows, asked.covers, asked.origin(teacher), answered(rows, 0), views)


def pixels_of(images: torch.Tensor, preprocessing: Preprocessing) -> np.ndarray:
    """The pixels behind normalised images [n, 3, side, side]: RGB, uint8 [n, side, side, 3]."""
    values = images.numpy().transpose(0, 2, 3, 1).astype(np.float64)
    values = (values * preprocessing.std + preprocessing.mean) * 255
    return np.rint(values).clip(0, 255).astype(np.uint8)


def table_logits(
    teacher: OutsideTeacher, table: LogitsTable, rows: Rows, asked: Asked
) -> LogitsSet:
    """Look up every row of some splits, and every stored view of the train rows; a table without
    views gives the evaluation view's logits for all of them.

    Raises:
        DataError: the table misses a picture or a view of one.
    """

    def found(places: np.ndarray, view: int) -> np.ndarray:
        ids = rows.frame["sample_id"].iloc[places].tolist()
        return table.of(ids, view if table.has_views else 0).astype(_STORED)

    views = None
    if asked.views is not None:
        train, count = rows.split("train"), asked.views.count
        views = np.stack([found(train, k) for k in range(1, count + 1)], axis=1)
    some = rows.split(*asked.covers)
    return logits_of_rows(rows, asked.covers, asked.origin(teacher), found(some, 0), views)
