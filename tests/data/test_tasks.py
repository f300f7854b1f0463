import numpy as np
import pytest

from transfer_jax.data.tasks import first_examples, named_split, random_halves
from transfer_jax.grid.conditions import Task

NAMES = ("cat", "dog", "car", "bus")


def test_random_halves_are_the_papers():
    halves = random_halves("0", 1000, 0)
    a, b = (set(task.classes) for task in halves.tasks)
    assert sorted(a)[:10] == [0, 1, 2, 5, 9, 10, 15, 16, 17, 19]
    assert len(a) == len(b) == 500
    assert not a & b
    assert random_halves("1", 1000, 1) != random_halves("0", 1000, 0)


def test_an_odd_number_of_classes_leaves_the_larger_half_to_b():
    halves = random_halves("0", 5, 3)
    assert [len(task.classes) for task in halves.tasks] == [2, 3]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((), ("cat",), "task A has no classes"),
        (("cat",), (), "task B has no classes"),
        (("cat", "dog"), ("dog", "car"), "tasks A and B overlap in dog"),
        (("cat", "dog", "cat"), ("car",), "task A holds cat twice"),
        (("cat",), ("motors", "bus"), "task B holds bus twice"),
        (("cat",), ("boss",), "no class 'boss' in this dataset; nearest: 'bus'"),
    ],
)
def test_a_split_that_cannot_be_is_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        named_split("s", a, b, NAMES, {"motors": ("car", "bus")})


def test_first_examples_are_the_first_of_each_class_among_the_candidates():
    labels = np.array([0, 1, 0, 1, 0, 1])
    candidates = np.array([False, True, True, True, True, True])
    assert first_examples(labels, candidates, Task("A", (0, 1)), 1).tolist() == [1, 2]
    assert first_examples(labels, candidates, Task("A", (0,)), None).tolist() == [2, 4]
    with pytest.raises(ValueError, match="class 0 has 2 images, 3 are asked for"):
        first_examples(labels, candidates, Task("A", (0,)), 3)
    with pytest.raises(ValueError, match="class 7 has no images"):
        first_examples(labels, candidates, Task("A", (7,)), None)


def test_at_most_takes_what_a_small_class_has():
    labels, everything = np.array([0, 1, 0, 0]), np.ones(4, bool)
    found = first_examples(labels, everything, Task("A", (0, 1)), 2, at_most=True)
    assert found.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="class 2 has no images; each class needs one at least"):
        first_examples(labels, everything, Task("A", (0, 2)), 2, at_most=True)
