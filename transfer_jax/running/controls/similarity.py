"""How alike two networks' activations are."""

import numpy as np
from jaxtyping import Float


def linear_cka(x: Float[np.ndarray, "example p"], y: Float[np.ndarray, "example q"]) -> float:
    """Linear centred kernel alignment of two sets of activations of the same examples.

    It does not change when either is turned or scaled. It is computed from the examples' products,
    so that a layer may have any number of features; with fewer examples than features it comes
    out too high, for all networks alike.

    Args:
      x: a row an example; of any floating-point dtype, it is computed in float64.
      y: likewise.

    Returns:
      0 ... 1, 1 for activations that differ by rotation and scale; nan where there is nothing to
      compare: all examples of one are alike (a dead layer, a single example), or one holds a
      number that is not finite.

    Raises:
      ValueError: the two have different numbers of examples.

    Example:
      >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
      >>> round(linear_cka(x, -2 * x[:, ::-1]), 6)
      1.0

    Source: Kornblith, Norouzi, Lee and Hinton (2019), Similarity of neural network representations
    revisited.
    """
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} examples and y {len(y)}; allowed: the same examples")
    a, b = (_centred_products(z) for z in (x, y))
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


def _centred_products(x: np.ndarray) -> np.ndarray:
    """Of a matrix scaled to 1, so that no product is too large or too small for its dtype."""
    if not all_finite(x):
        return np.full((len(x), len(x)), np.nan)
    wide = np.asarray(x).astype(np.float64)
    own = centred(wide / (np.abs(wide).max(initial=0) or 1))
    own /= np.abs(own).max(initial=0) or 1
    return own @ own.T
