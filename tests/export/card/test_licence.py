from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.base.files import write_json
from fer_core.export.card.licence import read_licence
from fer_core.sources.catalogue.descriptor import absent, read_descriptor, write_descriptor

ROOT = Path(__file__).parents[3]


def test_terms_are_those_that_the_descriptor_holds() -> None:
    for path in sorted((ROOT / "data" / "sources").glob("*.json")):
        descriptor = read_descriptor(path)
        if descriptor.licence:
            assert read_licence(path) == descriptor.licence.strip()


def test_terms_survive_writing_by_the_descriptor(tmp_path: Path) -> None:
    descriptor = absent(read_descriptor(ROOT / "data" / "sources" / "sample_expw.json"))
    assert read_licence(write_descriptor(tmp_path, descriptor)) == descriptor.licence


@pytest.mark.parametrize("values", [{"licence": "  "}, {"name": "x"}, {"licence": 3}, ["licence"]])
def test_descriptor_without_terms_is_refused(values: object, tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", values)
    with pytest.raises(DataError, match=r"x\.json[\s\S]*licence: a text"):
        read_licence(tmp_path / "x.json")
