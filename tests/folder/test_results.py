import numpy as np
import pytest
from etils import epath

from transfer_jax.folder.results import (
    Results,
    ResultsError,
    check_complete,
    mean_of_best,
    read_rows,
    rows_of,
    write_rows,
)
from transfer_jax.grid.conditions import Column, Cut

COLUMN = Column("distant", 1, "A", "B", (Cut(1, False), Cut(1, True)))
ROWS = rows_of(COLUMN, [0.5, 0.75], [1.0, 0.1 + 0.2], [0, 3], 7)


@pytest.fixture
def table(tmp_path) -> epath.Path:
    path = epath.Path(tmp_path) / "results.csv"
    write_rows(path, ROWS)
    return path


def test_rows_survive_the_file_to_the_bit(table):
    assert read_rows(table) == ROWS
    header = table.read_text().splitlines()[0]
    assert header == (
        "split,seed,treatment,base,target,n,fine_tuned,variant,examples,"
        "top1,validation,best10,loss,step,diverged"
    )


def test_a_condition_is_found(table):
    results = Results(tuple(ROWS), "runs/a")
    assert results.accuracy(COLUMN.conditions[1]) == 0.75
    with pytest.raises(KeyError, match="no condition A2B"):
        results.accuracy(Column("distant", 1, "A", "B", (Cut(2, False),)).conditions[0])


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_file_cut_in_half_is_told(table, share):
    text = table.read_text()
    table.write_text(text[: int(len(text) * share)])
    with pytest.raises(ResultsError) as error:
        check_complete(table, read_rows(table), COLUMN.conditions)
    assert str(table) in str(error.value)


def test_a_file_cut_between_lines_is_told(table):
    table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    with pytest.raises(ResultsError, match=r"1 rows for 2 conditions, 1 missing"):
        check_complete(table, read_rows(table), COLUMN.conditions)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.75", "high", "line 3, top1 is 'high'"),
        ("True", "yes", "line 3, fine_tuned is 'yes'"),
        ("split,", "spilt,", "line 1 should be split,seed"),
        ("distant,1", "distant,one", "line 2, seed is 'one'"),
    ],
)
def test_what_is_no_row_is_named(table, old, new, message):
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ResultsError, match=message):
        read_rows(table)


def test_bytes_that_are_no_text_are_told(table):
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_rows(table)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ResultsError, match="cannot be read"):
        read_rows(epath.Path(tmp_path) / "none.csv")


def test_the_papers_statistic_is_the_mean_of_the_ten_highest():
    tests = np.array([[7, 1, 12, 3, 9, 5, 11, 2, 10, 4, 8, 6], [3] * 12], float).T
    assert mean_of_best(tests) == [(3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12) / 10, 3.0]
    assert mean_of_best(tests[:2]) == [4.0, 3.0]
