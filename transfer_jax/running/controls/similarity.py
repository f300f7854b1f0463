"""How alike two networks' activations are."""

import numpy as np
from jaxtyping import Float

# Examples that an unbiased estimate needs.
FEWEST = 4


def debiased_cka(x: Float[np.ndarray, "example p"], y: Float[np.ndarray, "example q"]) -> float:
    """Linear centred kernel alignment of two sets of activations of the same examples, unbiased.

    It does not change when either is turned or scaled. It is computed from the products of
    different examples: those of an example with itself make the usual estimate too high where
    features outnumber examples, near 1 for networks that have nothing in common.

    Args:
      x: a row an example; of any floating-point dtype, it is computed in float64.
      y: likewise.

    Returns:
      At most 1, which activations have that differ by rotation and scale; about 0, and below it
      as often as above, for such that have nothing in common. nan where there is nothing to
      compare: fewer than four examples, all examples of one are alike (a dead layer), or one
      holds a number that is not finite.

    Raises:
      ValueError: the two have different numbers of examples.

    Example:
      >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [5.0, 1.0]])
      >>> round(debiased_cka(x, -2 * x[:, ::-1]), 6)
      1.0

    Source: Kornblith, Norouzi, Lee and Hinton (2019), Similarity of neural network representations
    revisited; its HSIC by the unbiased estimate of Song, Smola, Gretton, Borgwardt and Bedo (2007),
    Supervised feature selection via dependence estimation, as Nguyen, Raghu and Kornblith (2021)
    have it; Murphy, Zylberberg and Fyshe (2024), Correcting biased centered kernel alignment
    measures, for what the bias does.
    """
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} examples and y {len(y)}; allowed: the same examples")
    a, b = (_products_of_others(z) for z in (x, y))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / norms if norms > 0 else float("nan")


def centred(x: Float[np.ndarray, "example p"]) -> Float[np.ndarray, "example p"]:
    """Activations less their mean over examples, in float64; a constant one becomes exactly 0.

    Args:
      x: a row an example.

    Returns:
      An array of the same shape.

    Example:
      >>> centred(np.full((3, 1), 0.1)).tolist()
      [[0.0], [0.0], [0.0]]
    """
    wide = np.asarray(x).astype(np.float64)
    from_first = wide - wide[:1]  # else a mean of equal numbers is off by their rounding
    return from_first - from_first.sum(axis=0) / max(len(wide), 1)


def all_finite(*arrays: np.ndarray) -> bool:
    """Whether arrays hold no NaN and no infinity.

    Args:
      arrays: any arrays, of ml_dtypes too.

    Returns:
      True or False.

    Example:
      >>> all_finite(np.ones(2), np.array([np.inf]))
      False
    """
    return all(np.isfinite(np.asarray(array).astype(np.float64)).all() for array in arrays)


def _products_of_others(x: np.ndarray) -> np.ndarray:
    """Of different examples, less what rows and columns have in common; the diagonal is 0.

    The mean over pairs of the product of two such matrices is the unbiased HSIC.

    Source: Szekely and Rizzo (2014), Partial distance correlation with methods for dissimilarities.
    """
    count = len(x)
    if count < FEWEST or not all_finite(x):
        return np.full((count, count), np.nan)
    # Scaled to 1, so that no product is too large or too small for its dtype.
    wide = np.asarray(x).astype(np.float64)
    own = centred(wide / (np.abs(wide).max(initial=0) or 1))
    own /= np.abs(own).max(initial=0) or 1
    found = own @ own.T
    np.fill_diagonal(found, 0)
    rows = found.sum(axis=1) / (count - 2)
    found += rows.sum() / (count - 1) - rows - rows[:, None]
    np.fill_diagonal(found, 0)
    return found
