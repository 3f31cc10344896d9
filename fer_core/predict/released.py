"""Whether a released network's file is the one that was released."""

from pathlib import Path

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file

__all__ = ["check_released"]


def check_released(file: Path) -> None:
    """Compare a file with the hash that its release's `provenance.json` has of it; a file without
    one passes.

    Raises:
        ArtifactError: it is another one.
    """
    provenance = file.parent / "provenance.json"
    if not provenance.is_file():
        return
    expected = read_json(provenance).get("files", {}).get(file.name)
    if expected is not None and (found := sha256_file(file)) != expected:
        raise ArtifactError(
            "This file of a release is not as it was made.",
            where=file,
            found=found,
            expected=expected,
            remedy="`git checkout` it, or install the package again",
        )
