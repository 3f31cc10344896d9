"""All layouts and their readers.

A layout is read by the module of its name, which is loaded when it is asked for: an edit of one
reader then concerns the data sets of its layout alone (`fer dag sync` declares it for them).
"""

from importlib import import_module

from fer_core.base.errors import DataError
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Reader

__all__ = ["LAYOUTS", "UNLABELLED", "reader_for", "recognise"]

UNLABELLED = "unlabelled"
"""Layout of pictures where nothing else fits."""

LAYOUTS = (
    "fer2013",
    "ferplus",
    "ferplus_pictures",  # before folder7: its folders have the names of splits
    "rafdb_basic",
    "rafdb_compound",
    "rafml",
    "expw",
    "affectnet",
    "affectnet_npy",
    "affectnet_yolo",  # before folder7: its splits are folders too
    "webcam_session",  # before folder7: sessions may lie in folders of splits
    "folder7",
    "parquet",
    "csv_labels",  # after folder7: folders of classes say more than a table beside them
    UNLABELLED,
)
"""In the order in which a folder is tried."""

_LOOK = {
    "fer2013": "fer2013.csv (or .csv.gz, .csv.zip), or Kaggle's icml_face_data.csv",
    "ferplus": "fer2013new.csv beside fer2013.csv",
    "ferplus_pictures": "FER2013{Train,Valid,Test}/ with pictures and label.csv, as the program of "
    "FERPlus writes them",
    "rafdb_basic": "EmoLabel/list_patition_label.txt with ids 1 to 7, and Image/; or Kaggle's "
    "DATASET/ and {train,test}_labels.csv",
    "rafdb_compound": "EmoLabel/list_patition_label.txt with ids 1 to 11, and Image/",
    "rafml": "EmoLabel/distribution.txt and partition_label.txt, and Image/",
    "expw": "label.lst and image/origin/",
    "affectnet": "Manually_Annotated_file_lists/training.csv and validation.csv, and "
    "Manually_Annotated_Images/",
    "affectnet_npy": "{train_set,val_set}/ with images/ID.jpg and annotations/ID_exp.npy",
    "affectnet_yolo": "data.yaml, and {train,valid,test}/ with images/ and labels/",
    "webcam_session": "SESSION/ or {train,val,test}/SESSION/ with per_frame.csv, session.json and "
    "video.mkv, as `fer live --record` writes them",
    "folder7": "{train,val,test}/{class}/ or {class}/",
    "parquet": "*.parquet in the form of Hugging Face: images as bytes or paths, and labels",
    "csv_labels": "a csv or tsv with a column of paths (file, image, …) and one of labels (label, "
    "emotion, …)",
    "unlabelled": "images, and nothing that looks like labels",
}

_ALIKE = {
    "rafdb_basic",
    "rafdb_compound",
}  # lists of one name: asked for the wrong one, its reader says so and names the line


def reader_for(layout: str, where: object = None) -> Reader:
    """The reader of a layout.

    Raises:
        DataError: no such layout.
    """
    if layout not in LAYOUTS:
        raise DataError("Unknown layout.", where=where, found=layout, expected=", ".join(LAYOUTS))
    reader: Reader = import_module(f"fer_core.sources.layouts.{layout}").READER
    return reader


def recognise(tree: RawTree, preferred: str | None = None) -> str:
    """The layout of a folder. It may fit several (FERPlus contains FER2013): `preferred` wins where
    it fits.

    Pictures are unlabelled only where nothing else fits.

    Raises:
        DataError: the folder fits no layout; says what each looks like.
    """
    fitting = [
        layout for layout in LAYOUTS if layout != UNLABELLED and reader_for(layout).recognise(tree)
    ]
    if not fitting and reader_for(UNLABELLED).recognise(tree):
        return UNLABELLED
    if not fitting:
        raise DataError(
            "This folder has no layout that I know.",
            where=tree.place,
            expected="\n    ".join(
                ["one of", *(f"{layout}: {look}" for layout, look in _LOOK.items())]
            ),
            remedy="give the folder that directly holds these",
        )
    return (
        preferred
        if preferred in fitting or (preferred in _ALIKE and not _ALIKE.isdisjoint(fitting))
        else fitting[0]
    )
