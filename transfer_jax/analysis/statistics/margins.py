"""A difference of accuracies that does not matter."""

from numbers import Real

MOST, SHARE = 0.01, 0.1
# Above this it is no share, but points.
LARGEST = 0.5


def margin_of(error: float) -> float:
    """The margin where none is asked for: a point, or a tenth of the error where that is less.

    Args:
      error: share of images that the network to compare with gets wrong.

    Returns:
      The margin, a share.

    Example:
      >>> margin_of(0.2), round(margin_of(0.01), 6)
      (0.01, 0.001)
    """
    return min(MOST, SHARE * error)


def checked(margin: float | None) -> float:
    """A margin that somebody asks for.

    Args:
      margin: a share; None or 0 for the rule of `margin_of`.

    Returns:
      The same; 0 for the rule.

    Raises:
      ValueError: it is no share from 0 to a half.

    Example:
      >>> checked(None), checked(0.02)
      (0.0, 0.02)
    """
    if margin is None:
        return 0.0
    is_number = isinstance(margin, Real) and not isinstance(margin, bool)
    if not (is_number and 0 <= margin <= LARGEST):  # A NaN is in no range.
        hint = _hint(float(margin)) if is_number else ""
        raise ValueError(
            f"margin is {margin!r}; allowed: shares from 0 to {LARGEST}, 0.01 is one point{hint}"
        )
    return float(margin)


def _hint(margin: float) -> str:
    """What was meant, where it looks like points."""
    if LARGEST < margin <= 100 * LARGEST:
        return f"; for {margin:g} points write {margin / 100:g}"
    return ""
