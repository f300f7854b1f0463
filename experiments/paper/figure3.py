"""Figure 3: transfer between distant tasks, random filters, and both relative to base.

    python experiments/paper/figure3.py
    python experiments/paper/figure3.py --scale=tiny    # a minute or two, on embedded images

The third panel needs the random halves, too: the run of figure2.py is used, or made.
"""

import argparse

from runs import draw, main, trained

from transfer_jax.analysis.paper.beside_authors import claims_table
from transfer_jax.analysis.statistics.effects import numbers_of

EXPERIMENTS = {
    "imagenet_man_natural": "man_natural",
    "imagenet_random_filters": "random_filters",
    "imagenet_random": "random_split",
}


def figure3(given: argparse.Namespace, overrides: list[str]) -> None:
    """Train the networks of three configs, or go on, and draw."""
    rows = [row for config in EXPERIMENTS for row in trained(config, given, overrides)]
    draw(
        "figure3",
        "Figure 3",
        rows,
        given,
        [claims_table(numbers_of(rows))],
        list(EXPERIMENTS.values()),
    )


if __name__ == "__main__":
    main(figure3, __doc__)
