"""Table 1: what fine-tuned transfer gains over base and over fine-tuned selffers.

python experiments/paper/table1.py
python experiments/paper/table1.py --scale=tiny    # a minute, on embedded images
"""

import argparse

from runs import CONSOLE, draw, main, trained

from transfer_jax.analysis.paper.beside_authors import boost_note, table1
from transfer_jax.analysis.statistics.effects import numbers_of


def table(given: argparse.Namespace, overrides: list[str]) -> None:
    """Train the networks of figure 2, or find them trained, and print."""
    rows = trained("imagenet_random", given, overrides)
    found = table1(rows)
    for line in (found.header, *found.rows) if found else ():
        CONSOLE.print("  ".join(f"{cell:>20}" for cell in line), highlight=False, soft_wrap=True)
    CONSOLE.print(boost_note(numbers_of(rows)), highlight=False)
    draw("table1", "Table 1", rows, given, [found])


if __name__ == "__main__":
    main(table, __doc__)
