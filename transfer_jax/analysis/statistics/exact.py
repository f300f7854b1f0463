"""An exact test of paired right and wrong answers, for networks that are compared once.

Of the images that just one of two networks gets right, the first one has a binomial share, whatever
the others say (McNemar). If it is above the second by no more than a margin, its chance there is
(1 + margin / differ) / 2 at most, where `differ` is the share of such images among all. That is not
known: it is taken to be as small as it can be, but for a part of the error.

A bet holds at any number of images, and has to win more for that. Each look of a race sees its
images once, and has its own part of the error; so where it is known which images each network gets
right, a look needs no bets to show that one is worse.

Source: McNemar (1947); Berger and Boos (1994), P values maximized over a confidence set for the
nuisance parameter.
"""

from scipy.special import betainc, betaincinv

from transfer_jax.analysis.statistics.betting import Paired

# The part of the error that is for the share of images in which two networks differ.
FOR_DIFFER = 0.1


def is_above(pairs: Paired, margin: float, error: float) -> bool:
    """Whether the first is shown to be above the second by more than a margin.

    Args:
      pairs: their differences: -1, 0 and 1, image by image.
      margin: a share from 0.
      error: how often it may be shown, at most, where it is not so.

    Returns:
      Whether it is.

    Example:
      >>> import numpy as np
      >>> pairs = Paired(np.array([-1.0, 0.0, 1.0]), np.array([1, 80, 19]))
      >>> is_above(pairs, 0.0, 0.001), is_above(pairs, 0.1, 0.001)
      (True, False)
    """
    losses, same, wins = pairs.images
    differ = losses + wins
    if wins <= losses:
        return False
    # The limit of Clopper and Pearson.
    least = betaincinv(differ, same + 1, FOR_DIFFER * error)
    chance = min(1.0, (1 + margin / least) / 2)
    # So many wins or more, of a binomial distribution.
    return bool(betainc(wins, losses + 1, chance) <= (1 - FOR_DIFFER) * error)
