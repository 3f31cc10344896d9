import pandas as pd

from stages.fairness import _recording


def test_data_sets_that_record_subgroups_are_told_from_those_that_do_not() -> None:
    faces = pd.DataFrame(
        {"sample_id": ["rafdb/1", "rafdb/2", "own/a/b.png"], "subgroups": ['{"age": "4"}', "", ""]}
    )
    assert _recording(faces) == {"rafdb"}
    assert _recording(faces.iloc[1:]) == set()
    assert _recording(faces.iloc[:0]) == set()
