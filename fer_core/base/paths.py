"""Where everything lies, relative to the project's root; a DVC stage runs there.

`fer_core/pipeline` writes these places into dvc.yaml; a test holds both together.
"""

from pathlib import Path

DATA = Path("data")
SOURCES = DATA / "sources"
"""Descriptors of data sets, in git."""
CLEAN = DATA / "clean"
"""Face stores, `<source>.arrow`."""
MANIFEST = DATA / "manifest.parquet"
VALIDATION = DATA / "validation.json"
DATASHEET = DATA / "datasheet"
PACK = DATA / "pack"
DEV, TEST = PACK / "dev", PACK / "test"
"""Halves of the pack; each holds `rows.parquet`."""
INIT = DATA / "init"
TEACHERS = DATA / "teachers"
STUDENTS = DATA / "students"
ADAPTED = "adapted"
"""Key of the adapted student, beside those of the others."""
ADAPTATION = DATA / "adaptation"
CROSS_DATASET = DATA / "cross_dataset"
"""`<data set left out>-<seed>/answers` and `record.json`."""
NONE_LEFT_OUT = "none"
"""Stands for a data set in the key of the training that leaves none out."""
LOGITS = DATA / "logits"
"""`<tag or key>/dev` and `/test`."""
ENSEMBLE = DATA / "ensemble"
LEADERBOARD = DATA / "leaderboard"
SOFTLABELS = DATA / "softlabels"
UNLABELLED = DATA / "unlabelled"
"""`pack/` and `softlabels/` of the dev rows and of faces without labels together."""
EVALUATION = DATA / "evaluation"
CALIBRATION = DATA / "calibration"
HARD_CASES = DATA / "hard_cases"
SELECTIVE = DATA / "selective"
COMPARISON = DATA / "comparison"
ONNX = DATA / "onnx"
ONNX_TEACHERS = DATA / "onnx_teachers"
REFERENCE = DATA / "reference"
"""The plain network that the student's speed is told beside."""
REPORT = DATA / "report"
WEB = DATA / "web"
"""The page with this run's network, ready to be served."""
METRICS = Path("metrics")
PLOTS = Path("plots")
