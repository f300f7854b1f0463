"""Splits: a dataset's classes divided into task A and task B."""

import difflib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from transfer_jax.conditions import Split, Task


def random_halves(name: str, num_classes: int, number: int) -> Split:
    """Random split number k by the paper's rule: half of the classes drawn for task A.

    Args:
      name: name of the split.
      num_classes: number of classes of the dataset.
      number: k; the generator is NumPy's legacy one, seeded with the list `[k]`.

    Returns:
      Tasks A and B, classes in ascending order; A has the smaller half.

    Raises:
      ValueError: there are fewer than two classes.

    Example:
      >>> random_halves("random-0", 1000, 0).task("A").classes[:6]
      (0, 1, 2, 5, 9, 10)

    Source: the authors' repository, yosinski/convnet_transfer: the lists of its random halves.
    """
    if num_classes < 2:
        raise ValueError(f"a split needs at least 2 classes, the dataset has {num_classes}")
    generator = np.random.RandomState([number])
    chosen = generator.choice(np.arange(num_classes), num_classes // 2, replace=False)
    inside = sorted(chosen.tolist())
    rest = sorted(set(range(num_classes)) - set(inside))
    return Split(name, (Task("A", tuple(inside)), Task("B", tuple(rest))))


def named_split(name: str, a: Sequence[str], b: Sequence[str], class_names: Sequence[str]) -> Split:
    """A split whose tasks are given by the names of their classes.

    Args:
      name: name of the split.
      a: names of task A's classes.
      b: names of task B's classes.
      class_names: names of the dataset's classes.

    Returns:
      The split; classes in ascending order.

    Raises:
      ValueError: a task is empty, both hold the same class, or the dataset lacks a class.

    Example:
      >>> named_split("s", ["cat"], ["dog"], ["dog", "cat"]).task("A").classes
      (1,)
    """
    for task, classes in (("A", a), ("B", b)):
        if not classes:
            raise ValueError(f"split '{name}': task {task} has no classes")
        for label in classes:
            if label not in class_names:
                near = difflib.get_close_matches(label, class_names, n=1, cutoff=0.0)[0]
                raise ValueError(
                    f"split '{name}': no class '{label}' in this dataset; nearest: '{near}'; "
                    f"classes: {', '.join(class_names)}"
                )
    if both := sorted(set(a) & set(b)):
        raise ValueError(f"split '{name}': tasks A and B overlap in {', '.join(both)}")
    index = {label: i for i, label in enumerate(class_names)}
    first, second = (tuple(sorted({index[label] for label in labels})) for labels in (a, b))
    return Split(name, (Task("A", first), Task("B", second)))


def first_examples(
    labels: Int[np.ndarray, " image"], candidates: np.ndarray, task: Task, per_class: int | None
) -> Int[np.ndarray, " example"]:
    """Indices of the first k images of each class of a task, in the dataset's order.

    Args:
      labels: class of every image.
      candidates: True for the images to choose from.
      task: the task.
      per_class: k; None takes all.

    Returns:
      Indices in ascending order.

    Raises:
      ValueError: a class has fewer than k images, or none.

    Example:
      >>> labels = np.array([0, 1, 0, 0])
      >>> first_examples(labels, np.ones(4, bool), Task("A", (0,)), 2).tolist()
      [0, 2]

    Source: the authors' reduced training sets take the first k images of each class.
    """
    chosen = []
    for label in task.classes:
        found = np.flatnonzero((labels == label) & candidates)
        wanted = max(1, len(found)) if per_class is None else per_class
        if len(found) < wanted:
            raise ValueError(f"class {label} has {len(found)} images, {wanted} are asked for")
        chosen.append(found[:wanted])
    return np.sort(np.concatenate(chosen)).astype(np.int32)


def ranks(task: Task, num_classes: int) -> Int[np.ndarray, " class"]:
    """The label that each class of the dataset has within a task: its rank there.

    Args:
      task: the task.
      num_classes: number of classes of the dataset.

    Returns:
      The rank of each class; -1 for classes outside the task.

    Example:
      >>> ranks(Task("B", (1, 3)), 4).tolist()
      [-1, 0, -1, 1]
    """
    rank = np.full(num_classes, -1, np.int32)
    rank[list(task.classes)] = np.arange(len(task.classes))
    return rank
