"""Student's distribution; from scipy.special, since scipy.stats takes half a second to load."""

from scipy import special

CONFIDENCE = 0.95


def quantile(freedom: float, *, sides: int = 2, confidence: float = CONFIDENCE) -> float:
    """How many standard errors an interval reaches.

    Args:
      freedom: degrees of freedom.
      sides: ends of the interval.
      confidence: of the interval.

    Returns:
      The quantile.

    Example:
      >>> round(quantile(3), 3), round(quantile(3, sides=1), 3)
      (3.182, 2.353)
    """
    return float(special.stdtrit(freedom, 1 - (1 - confidence) / sides))


def two_sided_p(ratio: float, freedom: float) -> float:
    """The probability of so many standard errors, or more, to either side.

    Args:
      ratio: a difference over its standard error.
      freedom: degrees of freedom.

    Returns:
      The probability.

    Example:
      >>> round(two_sided_p(3.182, 3), 3)
      0.05
    """
    return float(2 * special.stdtr(freedom, -abs(ratio)))
