"""The unpublished variant: one or two layers above the cut are copied and trained, too.

python experiments/paper/preserved_layers.py
python experiments/paper/preserved_layers.py --scale=tiny    # a minute, on embedded images
"""

import argparse

from runs import draw, main, trained

FIELDS = [
    "--config.splits=('random-0',)",
    "--config.treatments=('BnB','AnB')",
    "--config.preserved=(1,2)",
    "--config.reference=preserved",
]


def preserved_layers(given: argparse.Namespace, overrides: list[str]) -> None:
    """Train the variants of split 0, or go on, and draw."""
    rows = trained("imagenet_random", given, [*FIELDS, *overrides], "imagenet_preserved")
    draw("preserved", "Preserved layers", rows, given, [], ["preserved"])


if __name__ == "__main__":
    main(preserved_layers, __doc__)
