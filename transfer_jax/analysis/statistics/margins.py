"""Which differences of accuracy do not matter."""

LARGEST, SHARE_OF_ERROR = 0.01, 0.1


def margin_of(error: float) -> float:
    """A difference that does not matter: a point, or less where there is little left to gain.

    Args:
      error: of what is compared with, a share.

    Returns:
      The smaller of a point and a tenth of the error.

    Example:
      >>> margin_of(0.3), round(margin_of(0.02), 6)
      (0.01, 0.002)
    """
    return min(LARGEST, SHARE_OF_ERROR * error)


def in_points(margin: float) -> str:
    """A margin in words.

    Args:
      margin: a share.

    Returns:
      The words.

    Example:
      >>> in_points(0.01), in_points(0.0025)
      ('a point', '0.25 points')
    """
    return "a point" if round(margin, 9) == 0.01 else f"{100 * margin:.2g} points"
