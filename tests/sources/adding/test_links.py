"""Whatever lies outside the raw folder is reached by one link, and a failure leaves the links as
they were.
"""

from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.adding.links import linked, own_links, reach
from tests.sources.trees import zipped


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "project/raw").mkdir(parents=True)
    return tmp_path / "project/raw"


def archive(tmp_path: Path, name: str) -> Path:
    return zipped(tmp_path / name, {"inner/a.txt": b""})


@pytest.mark.parametrize(
    ("inner", "root"),
    [("", "mine.zip"), ("inner", "mine.zip/inner"), ("inner/deeper", "mine.zip/inner/deeper")],
)
def test_archive_is_linked_under_the_sets_name_and_its_inner_folder_ends_the_root(
    tmp_path: Path, raw: Path, inner: str, root: str
) -> None:
    place = archive(tmp_path, "Some Download (1).ZIP")
    found = reach("mine", place / inner, raw)
    assert (found.root, found.link, found.target) == (root, raw / "mine.zip", place)


def test_what_is_inside_the_raw_folder_needs_no_link_also_by_another_way_in(
    tmp_path: Path, raw: Path
) -> None:
    (raw / "sets/one").mkdir(parents=True)
    (tmp_path / "shortcut").symlink_to(raw)
    for place in (raw / "sets/one", raw / "sets/../sets/one", tmp_path / "shortcut/sets/one"):
        found = reach("mine", place, raw)
        assert (found.root, found.link) == ("sets/one", None)


def test_adding_the_link_itself_again_keeps_it(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "data").mkdir()
    with linked("mine", reach("mine", tmp_path / "data", raw), raw) as gone:
        assert gone == []
    again = reach("mine", raw / "mine", raw)
    assert again.root == "mine"
    with linked("mine", again, raw) as gone:
        assert gone == []
    assert (raw / "mine").samefile(tmp_path / "data")


def test_a_set_has_one_link_and_the_old_ones_come_back_when_the_work_fails(
    tmp_path: Path, raw: Path
) -> None:
    (tmp_path / "data").mkdir()
    place = archive(tmp_path, "a.zip")
    with linked("mine", reach("mine", tmp_path / "data", raw), raw):
        pass
    with (
        pytest.raises(ValueError, match="work"),
        linked("mine", reach("mine", place, raw), raw) as gone,
    ):
        assert gone == [raw / "mine"] and own_links("mine", raw) == [raw / "mine.zip"]
        raise ValueError("work")
    assert own_links("mine", raw) == [raw / "mine"] and (raw / "mine").samefile(tmp_path / "data")
    with linked("mine", reach("mine", place, raw), raw):
        pass
    assert own_links("mine", raw) == [raw / "mine.zip"]
    assert own_links("min", raw) == []


def test_first_link_goes_when_the_work_fails(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "data").mkdir()
    with (
        pytest.raises(ValueError, match="work"),
        linked("mine", reach("mine", tmp_path / "data", raw), raw),
    ):
        raise ValueError("work")
    assert not list(raw.iterdir())


def test_system_without_links_says_where_the_data_must_go(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no privilege")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with (
        pytest.raises(
            DataError, match=r"(?s)no privilege.*move the data set to .*raw/mine.*FER_RAW"
        ),
        linked("mine", reach("mine", tmp_path / "data", raw), raw),
    ):
        pass
