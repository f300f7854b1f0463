"""The supplement's reduced data: base networks on the first k images of each class.

python experiments/paper/reduced_data.py
python experiments/paper/reduced_data.py --scale=tiny    # seconds, on embedded images
"""

import argparse

from runs import draw, main, trained

from transfer_jax.analysis.paper.beside_authors import claims_table
from transfer_jax.analysis.statistics.effects import numbers_of


def reduced_data(given: argparse.Namespace, overrides: list[str]) -> None:
    """Train 12 networks, or go on, and draw."""
    rows = trained("imagenet_reduced", given, overrides)
    draw("reduced", "Reduced data", rows, given, [claims_table(numbers_of(rows))], ["reduced"])


if __name__ == "__main__":
    main(reduced_data, __doc__)
