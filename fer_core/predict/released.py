"""What a release says of itself, and whether a file of it is the one that was released."""

from pathlib import Path

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file

__all__ = ["PROVENANCE", "check_released"]

PROVENANCE = "provenance.json"


def check_released(file: Path) -> None:
    """Compare a file with the hash that its release's `provenance.json` has of it; a file without
    one passes.

    Raises:
        ArtifactError: it is another one.
    """
    provenance = file.parent / PROVENANCE
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
