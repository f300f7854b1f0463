"""How alike two networks' activations are."""

import numpy as np
from jaxtyping import Float


def linear_cka(x: Float[np.ndarray, "example p"], y: Float[np.ndarray, "example q"]) -> float:
    """Linear centred kernel alignment of two sets of activations of the same examples.

    It does not change when either is turned or scaled. It is computed from the examples' products,
    so that a layer may have any number of features; with fewer examples than features it comes
    out too high, for all networks alike.

    Args:
      x: a row an example.
      y: likewise.

    Returns:
      0 ... 1, 1 for activations that differ by rotation and scale; nan where one is constant.

    Example:
      >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
      >>> round(linear_cka(x, -2 * x[:, ::-1]), 6)
      1.0

    Source: Kornblith, Norouzi, Lee and Hinton (2019), Similarity of neural network representations
    revisited.
    """
    a, b = (_centred_products(z) for z in (x, y))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / norms if norms > 0 else float("nan")


def _centred_products(x: np.ndarray) -> np.ndarray:
    centred = (x - x.mean(axis=0)).astype(np.float64)
    return centred @ centred.T
