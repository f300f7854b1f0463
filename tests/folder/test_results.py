from dataclasses import astuple, replace

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
from transfer_jax.grid.conditions import Column, Cut, Variant

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


def test_a_row_says_what_its_condition_is():
    cuts = (Cut(2, True), Cut(2, False, Variant("head", (0, 1), (2,))))
    column = Column("random-0", 3, "A", "B", cuts, 7)
    one, two = rows_of(
        column, [0.5, 0.75], [1.0, 2.0], [0, 3], 9, validation=[0.25, None], best10=[0.625, 0.875]
    )
    assert astuple(one) == (
        "random-0", 3, "AnB+", "A", "B", 2, True, "", 7, 0.5, 0.25, 0.625, 1.0, 9, 0,
    )  # fmt: skip
    assert astuple(two) == (
        "random-0", 3, "AnB", "A", "B", 2, False, "head", 7, 0.75, None, 0.875, 2.0, 9, 3,
    )  # fmt: skip
    assert (one.label, two.label) == ("A2B+", "A2B head")
    assert one.column == two.column == "random-0.seed3.A-B.first7"
    assert one.setting == "random-0, first 7"
    (base,) = rows_of(Column("whole", 0, None, "A", (Cut(0, True),)), [0.5], [1.0], [0], 9)
    assert (base.label, base.column, base.setting) == ("baseA", "whole.seed0.base-A", "whole")
    assert (base.base, base.treatment, base.best10, base.validation) == ("A", "base", 0.5, None)


def test_rows_are_as_many_as_conditions():
    with pytest.raises(ValueError, match="zip"):
        rows_of(COLUMN, [0.5], [1.0], [0], 7)


def test_values_that_are_none_survive_the_file(tmp_path):
    path = epath.Path(tmp_path) / "results.csv"
    rows = rows_of(COLUMN, [0.5, 1.0], [float("inf"), 1e-30], [0, 3], 7, validation=[None, 0.5])
    write_rows(path, rows)
    assert read_rows(path) == rows
    assert path.read_text().splitlines()[1] == "distant,1,AnB,A,B,1,False,,0,0.5,,0.5,inf,7,0"


def test_a_line_of_too_few_or_too_many_fields_is_named(table):
    text = table.read_text()
    for damaged, number in ((text + "distant,1\n", 4), (text.replace(",7,0\n", ",7,0,1\n"), 2)):
        table.write_text(damaged)
        count = 2 if number == 4 else 16
        message = f"is damaged: line {number} has {count} fields, expected 15; delete it and run"
        with pytest.raises(ResultsError, match=message):
            read_rows(table)
    table.write_text("")
    with pytest.raises(ResultsError, match="is no results file: line 1 should be split,seed,"):
        read_rows(table)


def test_a_table_must_hold_each_condition_once():
    check_complete(epath.Path("t.csv"), ROWS[::-1], COLUMN.conditions)
    odd = replace(ROWS[0], n=3)
    message = (
        r"^t.csv is damaged: 3 rows for 2 conditions, 0 missing, 1 unknown; delete it and run "
        "again, finished columns are kept$"
    )
    with pytest.raises(ResultsError, match=message):
        check_complete(epath.Path("t.csv"), [*ROWS, odd], COLUMN.conditions)
    with pytest.raises(ResultsError, match="3 rows for 2 conditions, 0 missing, 0 unknown"):
        check_complete(epath.Path("t.csv"), [*ROWS, ROWS[0]], COLUMN.conditions)


@pytest.mark.parametrize(
    ("field", "value"),
    [("split", "x"), ("seed", 2), ("base", "C"), ("target", "C"), ("n", 2), ("fine_tuned", True),
     ("variant", "x"), ("examples", 7)],
)  # fmt: skip
def test_rows_are_told_apart_by_each_part_of_their_condition(field, value):
    with pytest.raises(ResultsError, match="1 rows for 1 conditions, 1 missing, 1 unknown"):
        odd = replace(ROWS[0], **{field: value})
        check_complete(epath.Path("t.csv"), [odd], COLUMN.conditions[:1])


def test_results_are_read_from_a_runs_folder(table):
    found = Results.read(table.parent)
    assert (found.rows, found.workdir) == (tuple(ROWS), str(table.parent))
    frame = found.frame()
    assert frame.shape == (2, 15)
    assert frame["top1"].tolist() == [0.5, 0.75] and frame["fine_tuned"].tolist() == [False, True]
    with pytest.raises(KeyError, match=f"no condition A1B of other in {table.parent}"):
        found.accuracy(replace(COLUMN.conditions[0], split="other"))
