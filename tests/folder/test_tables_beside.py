"""Curves, metrics, controls and right examples: what is written is read, what is damaged told."""

import hashlib

import numpy as np
import pytest
from etils import epath

from transfer_jax.folder.checkpoints import digest, write_error
from transfer_jax.folder.control_results import ControlRow, read_controls, write_controls
from transfer_jax.folder.correctness import read_correctness, write_correctness
from transfer_jax.folder.curves import read_curves, read_metrics, training_curves, write_curves
from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.whole_file import write_arrays
from transfer_jax.grid.conditions import Column, Cut

COLUMN = Column("distant", 0, "A", "B", (Cut(1, False), Cut(1, True)))


@pytest.fixture
def path(tmp_path) -> epath.Path:
    return epath.Path(tmp_path) / "file"


def test_curves_have_a_line_a_test(path):
    write_curves(path, COLUMN, np.array([5, 10]), np.array([[0.1, 0.25], [1 / 3, 1.0]]))
    assert path.read_text() == f"step,A1B,A1B+\n5,0.1,0.25\n10,{1 / 3!r},1.0\n"
    assert read_curves(path) == {"A1B": {5: 0.1, 10: 1 / 3}, "A1B+": {5: 0.25, 10: 1.0}}


@pytest.mark.parametrize("text", ["", "step,A1B\n5\n", "step,A1B\nfive,0.1\n", "step,A1B\n5,x\n"])
def test_damaged_curves_are_none(text, path):
    assert read_curves(path) == {}
    path.write_text(text)
    assert read_curves(path) == {}


def test_lines_of_metrics_that_can_be_read_are_read(path):
    assert list(read_metrics(path)) == [] and training_curves(path) == {}
    lines = [
        '{"step": 5, "condition": "A1B", "accuracy": 0.5}',
        '{"step": 5, "condition": "A1B+", "accuracy": 1}',
        '{"step": 6, "condition": "A1B", "acc',
        '{"step": "7", "condition": "A1B", "accuracy": 0.5}',
        "[8]",
        "",
        '{"condition": "A1B", "accuracy": 0.5}',
        '{"step": 9, "condition": "A1B", "accuracy": null}',
        '{"step": 10, "condition": "A1B", "loss": 2.0}',
        '{"step": 11, "condition": "A1B", "accuracy": 0.75}',
    ]
    path.write_text("\n".join(lines))
    assert [line["step"] for line in read_metrics(path)] == [5, 5, 9, 10, 11]
    assert training_curves(path) == {"A1B": {5: 0.5, 11: 0.75}, "A1B+": {5: 1.0}}
    path.write_bytes(b"\xff\xfe")
    assert list(read_metrics(path)) == []


def test_controls_survive_the_file(path):
    rows = [
        ControlRow("distant", 1, "A", "B", 0, "cka", 2, "conv1", 0.0, 1 / 3),
        ControlRow("distant", 1, "A", "B", 7, "barrier", 2, "", 0.25, float("inf")),
    ]
    where = path.parent / "new" / "controls.csv"
    write_controls(where, rows)
    write_controls(where, rows)
    assert read_controls(where) == rows
    head, first, _ = where.read_text().splitlines()
    assert head == "split,seed,base,target,examples,control,n,layer,at,value"
    assert first == f"distant,1,A,B,0,cka,2,conv1,0.0,{1 / 3!r}"


@pytest.mark.parametrize("damage", ["distant,1,A", "x,y,A,B,0,cka,2,conv1,0.0,0.5", "a," * 12])
def test_a_line_that_is_no_control_is_named(damage, path):
    write_controls(path, [ControlRow("distant", 1, "A", "B", 0, "cka", 2, "conv1", 0.0, 0.5)])
    path.write_text(path.read_text() + damage + "\n")
    with pytest.raises(ResultsError, match=r"file is damaged: line 3$"):
        read_controls(path)


def test_controls_that_are_not_there_are_told(path):
    with pytest.raises(ResultsError, match=r"file cannot be read: .*No such file"):
        read_controls(path)


def test_right_examples_survive_the_file(path):
    candidates = np.array([0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1], bool)
    examples = np.array([1, 2, 4, 6, 7, 8, 9, 10, 11])
    right = np.array([[1, 0, 0, 1, 1, 0, 1, 0, 1], [0] * 9], bool)
    write_correctness(path, COLUMN, right, examples, candidates)
    found = read_correctness(path)
    assert found.labels == ("A1B", "A1B+")
    # Of the candidates 1, 2, 4, 5, 6 ... 11 the fourth was not among the examples.
    assert found.images.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal([found.right(label) for label in found.labels], right)
    assert found.right("A1B").dtype == bool
    with pytest.raises(ValueError, match="not in"):
        found.right("A2B")


@pytest.mark.parametrize(
    "bits", [np.zeros((1, 2), np.uint8), np.zeros((2, 1), np.uint8), np.zeros((2, 2), np.int16)]
)
def test_right_examples_of_another_shape_are_damaged(bits, path):
    images = np.packbits(np.arange(12) < 9)
    write_arrays(path, labels=np.array(["A1B", "A1B+"]), images=images, bits=bits)
    with pytest.raises(ResultsError, match="is damaged: 2 networks, 9 examples"):
        read_correctness(path)
    write_arrays(path, labels=np.array(["A1B"]), images=np.array([0.5]), bits=bits)
    with pytest.raises(ResultsError):
        read_correctness(path)
    with pytest.raises(ResultsError, match="cannot be read"):
        read_correctness(path / "none")


@pytest.mark.parametrize(
    ("error", "number", "words"),
    [
        (OSError(28, "No space left on device", "inner"), 28, "No space left on device"),
        (ValueError("x: No space left\non device (y)"), 28, "No space left on device"),
        (RuntimeError("a Permission denied b"), 13, "Permission denied"),
        (OSError("Read-only file system"), 30, "Read-only file system"),
        (RuntimeError("something  odd\n" + "z" * 300), 5, "something odd " + "z" * 186),
    ],
)
def test_what_orbax_could_not_write_is_told_in_the_words_of_the_system(error, number, words):
    found = write_error("runs/a", error)
    assert (found.errno, found.strerror, found.filename) == (number, words, "runs/a")


def test_a_digest_is_of_what_is_said_not_of_its_order():
    expected = hashlib.sha256(b'{"a": [1, null], "b": "x"}').hexdigest()
    assert digest({"b": "x", "a": [1, None]}) == expected
