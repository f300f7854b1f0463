"""One linear head on what leaves many layers: features are ranked, and a share of them is kept.

Head2Toe, with what linear heads are here: solved to the optimum, on one mean a channel. It differs
from the paper in three things. There each image's features of a layer have length 1, which is no
linear map of them; here all of a layer have one factor, so that their mean variance is 1 and the
head is a linear map of what leaves the layers. There features are ranked in a solve with a group
lasso, and here in one with squares of weights, as all heads have it. There channels are pooled to
several places, here to one.

Source: Evci, Dumoulin, Larochelle and Mozer (2022), Head2Toe: utilizing intermediate
representations for better transfer learning, arXiv 2201.03529.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from transfer_jax.engine.logistic import FIXED_STRENGTH, Linear
from transfer_jax.engine.probing import (
    Examples,
    Probed,
    best,
    of_validation,
    solved_heads,
    strengths_for,
)

# Of all features that are kept.
SHARES = (0.01, 0.05, 0.2, 1.0)
# Where there are no validation images to choose by.
FIXED_SHARE = 0.2


def head_on_all_layers(
    train: Examples,
    validation: Examples,
    test: Examples,
    outputs: int,
    blocks: Sequence[int],
    on_solved: Callable[[], None] = lambda: None,
) -> Probed:
    """The linear head on some of the features of many layers.

    Features are ranked by the length of their weights over the classes, in a first head on all of
    them whose strength is fixed. How many are kept, and the strength of the head on these, is
    chosen together by validation examples: of choices that are as good the one with the fewest
    features is taken, and of these that with the greatest strength. How the head does on these
    examples is told of each by a choice that it did not make.

    Args:
      train: what it is solved on; features of all layers side by side.
      validation: what is chosen by; may be empty.
      test: what it is judged by.
      outputs: number of logits.
      blocks: how many features each layer has, in order.
      on_solved: called after each number of features; what it raises ends it.

    Returns:
      The head, of all features as they are; weights of those that are not kept are 0.

    Example:
      >>> x = np.array([[-1.0, 0.0, 3.0], [1.0, 0.0, 3.0]], np.float32)
      >>> some = Examples(x, np.array([0, 1]))
      >>> found = head_on_all_layers(some, some, some, 2, (2, 1))
      >>> np.abs(found.linear.kernel).any(axis=1).tolist(), found.right.tolist()
      ([True, False, False], [1.0, 1.0])
    """
    units, strengths = _units(train.features, blocks), strengths_for(validation)
    train, validation, test = (
        own._replace(features=own.features / units) for own in (train, validation, test)
    )
    every = np.arange(len(units))
    # There are no more axes than images: one program serves all numbers of features.
    width = min(train.features.shape)
    heads = {len(units): solved_heads(train, outputs, strengths, width)}
    order = _ranked(heads[len(units)].linear(strengths.index(FIXED_STRENGTH)))
    counts = _counts(len(units), SHARES if len(validation.labels) else (FIXED_SHARE,))
    kept = {count: every if count == len(units) else np.sort(order[:count]) for count in counts}
    on_solved()
    for count in counts:
        if count not in heads:
            heads[count] = solved_heads(_only(train, kept[count]), outputs, strengths, width)
            on_solved()
    rights = np.concatenate([heads[c].rights(_only(validation, kept[c])) for c in counts])
    preferred = [(-count, strength) for count in counts for strength in strengths]
    place, number = divmod(best(rights, preferred), len(strengths))
    count = counts[place]
    judged = heads[count].judged(number, _only(test, kept[count]), of_validation(rights, preferred))
    return judged._replace(linear=_of_all(judged.linear, kept[count], units))


def _units(
    features: Float[np.ndarray, "example feature"], blocks: Sequence[int]
) -> Float[np.ndarray, " feature"]:
    """Of each feature the root of the mean variance of its layer's; 1 where none differs."""
    parts = np.split(features, np.cumsum(blocks)[:-1], axis=1)
    each = [np.sqrt(part.var(axis=0, dtype=float).mean()) or 1.0 for part in parts]
    return np.repeat(np.array(each, np.float32), blocks)


def _ranked(linear: Linear) -> Int[np.ndarray, " feature"]:
    """Features by the length of their weights, the longest first; of equals the first layer's."""
    return np.argsort(-np.linalg.norm(linear.kernel, axis=1), kind="stable")


def _counts(features: int, shares: Sequence[float]) -> list[int]:
    """How many features are kept, the fewest first; one at least."""
    return sorted({max(1, round(share * features)) for share in shares})


def _only(examples: Examples, kept: Int[np.ndarray, " feature"]) -> Examples:
    return examples._replace(features=examples.features[:, kept])


def _of_all(
    linear: Linear, kept: Int[np.ndarray, " feature"], units: Float[np.ndarray, " feature"]
) -> Linear:
    """The linear map of all features as they are, from that of some in one unit."""
    kernel = np.zeros((len(units), linear.kernel.shape[1]), np.float32)
    kernel[kept] = linear.kernel / units[kept, None]
    return Linear(kernel, linear.bias)
