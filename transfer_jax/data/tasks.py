"""Splits: a dataset's classes divided into task A and task B."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from transfer_jax.grid.conditions import Split, Task

SHOWN = 12


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


def by_turns(
    labels: Int[np.ndarray, " image"], examples: Int[np.ndarray, " example"]
) -> Int[np.ndarray, " example"]:
    """Examples in an order whose beginning holds as many of each class, wherever it is cut off.

    Args:
      labels: the class of every image.
      examples: some images.

    Returns:
      The first example of each class, then the second of each, and so on.

    Example:
      >>> by_turns(np.array([0, 0, 0, 1, 1]), np.arange(5)).tolist()
      [0, 3, 1, 4, 2]
    """
    classes, turn = labels[examples], np.empty(len(examples), int)
    for label in np.unique(classes):
        here = classes == label
        turn[here] = np.arange(here.sum())
    return examples[np.lexsort((classes, turn))]


def whole(name: str, num_classes: int) -> Split:
    """All classes as one task, A.

    Args:
      name: name of the split.
      num_classes: number of classes of the dataset.

    Returns:
      A split of one task.

    Example:
      >>> whole("whole", 3).task("A").classes
      (0, 1, 2)

    Source: the authors' networks on all 1000 classes: random filters, and reduced data.
    """
    return Split(name, (Task("A", tuple(range(num_classes))),))


def named_split(
    name: str,
    a: Sequence[str],
    b: Sequence[str],
    class_names: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Split:
    """A split whose tasks are given by the names of their classes, or of groups of classes.

    Args:
      name: name of the split.
      a: names of task A's classes and groups.
      b: names of task B's classes and groups.
      class_names: names of the dataset's classes.
      groups: names of groups to names of their classes.

    Returns:
      The split; classes in ascending order.

    Raises:
      ValueError: a task is empty or holds a class twice, both hold the same class, or the dataset
        lacks a class.

    Example:
      >>> named_split("s", ["pets"], ["car"], ["car", "cat", "dog"], {"pets": ["dog", "cat"]}).tasks
      (Task(name='A', classes=(1, 2)), Task(name='B', classes=(0,)))
    """
    index = {label: i for i, label in enumerate(class_names)}
    groups = groups or {}
    tasks = []
    for task, names in (("A", a), ("B", b)):
        if not names:
            raise ValueError(f"split '{name}': task {task} has no classes")
        labels = [label for n in names for label in groups.get(n, (n,))]
        for label in labels:
            if label not in index:
                raise ValueError(f"split '{name}': {_unknown(label, class_names, groups)}")
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"split '{name}': task {task} holds {twice[0]} twice")
        tasks.append(Task(task, tuple(sorted(index[label] for label in labels))))
    both: list[int] = sorted(set(tasks[0].classes) & set(tasks[1].classes))
    if both:
        shared = ", ".join(class_names[i] for i in both[:SHOWN])
        raise ValueError(f"split '{name}': tasks A and B overlap in {shared}")
    return Split(name, (tasks[0], tasks[1]))


def _unknown(label: str, class_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> str:
    known = [*groups, *class_names]
    near = difflib.get_close_matches(label, known, n=1, cutoff=0.0)[0]
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return (
        f"no class '{label}' in this dataset; nearest: '{near}'; "
        f"classes: {', '.join(known[:SHOWN])}{more}"
    )


def first_examples(
    labels: Int[np.ndarray, " image"],
    candidates: np.ndarray,
    task: Task,
    per_class: int | None,
    *,
    at_most: bool = False,
    names: Sequence[str] = (),
    what: str = "images",
) -> Int[np.ndarray, " example"]:
    """Indices of the first k images of each class of a task, in the dataset's order.

    Args:
      labels: class of every image.
      candidates: True for the images to choose from.
      per_class: k; None takes all.
      at_most: whether a class that has fewer than k gives what it has.
      names: names of the classes, for the error.
      what: what the candidates are, for the error.

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
    inside = np.zeros(max(labels.max(initial=-1), *task.classes) + 1, bool)
    inside[list(task.classes)] = True
    found = np.flatnonzero(candidates & inside[labels])
    counts = np.bincount(labels[found], minlength=len(inside))
    wanted = 1 if per_class is None or at_most else per_class
    for label in task.classes:
        if counts[label] < wanted:
            name = f"'{names[label]}'" if names else label
            if not counts[label]:
                raise ValueError(
                    f"class {name} has no {what}; each class needs one at least: give it more "
                    "images, or leave it out"
                )
            raise ValueError(f"class {name} has {counts[label]} {what}, {wanted} are asked for")
    if per_class is not None:
        by_class = found[np.argsort(labels[found], kind="stable")]
        starts = np.concatenate([[0], np.cumsum(counts)])[labels[by_class]]
        found = by_class[np.arange(len(by_class)) - starts < per_class]
    return np.sort(found).astype(np.int32)


def ranks(task: Task, num_classes: int) -> Int[np.ndarray, " class"]:
    """The label that each class of the dataset has within a task: its rank there.

    Args:
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
