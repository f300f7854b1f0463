"""Figure 2: frozen and fine-tuned transfer between random halves of ILSVRC-2012.

python experiments/paper/figure2.py
python experiments/paper/figure2.py --scale=tiny    # a minute, on embedded images
"""

import argparse

from runs import draw, main, trained

from transfer_jax.analysis.paper.beside_authors import claims_table
from transfer_jax.analysis.statistics.effects import numbers_of


def figure2(given: argparse.Namespace, overrides: list[str]) -> None:
    """Train 232 networks, or go on, and draw."""
    rows = trained("imagenet_random", given, overrides)
    draw("figure2", "Figure 2", rows, given, [claims_table(numbers_of(rows))], ["random_split"])


if __name__ == "__main__":
    main(figure2, __doc__)
