"""How numbers are written: the one way, so that a number has one text everywhere."""

import math

MOST_DIGITS = 4


def written(mean: float, half: float | None, digits: int = 1, *, signed: bool = True) -> str:
    """A share in points, with its interval.

    Args:
      mean: the share.
      half: half of the interval; None where there is none.
      digits: after the point.
      signed: whether a plus is written.

    Returns:
      The text, empty where there is no number. With more digits where all would be written as
      0, or where it would not be seen whether the interval leaves 0 out.

    Example:
      >>> written(0.012, 0.003), written(0.0034, 0.0030), written(0.0001, 0.00004)
      ('+1.2±0.3', '+0.34±0.30', '+0.010±0.004')
    """
    if mean != mean:
        return ""
    if not round(100 * mean, digits):
        while half and digits < MOST_DIGITS and not round(100 * half, digits):
            digits += 1
    shown = [round(100 * abs(value or 0.0), digits) for value in (half, mean)]
    if 0 < shown[0] == shown[1]:
        digits += 1
    number = f"{100 * mean:{'+' if signed else ''}.{digits}f}"
    return number if half is None else f"{number}±{100 * half:.{digits}f}"


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


def at_least(number: float, digits: int = 3) -> str:
    """What is enough: a number in few digits, rounded up.

    Args:
      number: above 0.
      digits: how many.

    Returns:
      The text of a number that is not below it.

    Example:
      >>> at_least(3.0331), at_least(3.03), at_least(0.0123, 2), at_least(99.96)
      ('3.04', '3.03', '0.013', '100')
    """
    text = f"{number:.{digits}g}"
    if float(text) >= number:
        return text
    step = 10.0 ** (math.floor(math.log10(float(text))) + 1 - digits)
    return f"{float(text) + step:.{digits}g}"


def capital(text: str) -> str:
    """A sentence's first letter large, and no other changed.

    Args:
      text: the sentence.

    Returns:
      It.

    Example:
      >>> capital("tune layer1.0")
      'Tune layer1.0'
    """
    return text[:1].upper() + text[1:]
