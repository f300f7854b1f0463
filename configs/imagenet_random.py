"""The paper's figure 2: CaffeNet on random halves of ILSVRC-2012, four splits.

    transfer-jax prepare --config=configs/imagenet_random.py --manual_dir=FOLDER_OF_TARS
    transfer-jax run --config=configs/imagenet_random.py

Expect: as the authors found (report --reference draws it), base 62.5 %; AnB 1.5 points
below BnB at n = 5 and 8.1 at n = 7; BnB lowest at n = 5, 3.2 below base; AnB+ above base at every
n. The authors trained 134 of these 232 networks: BnB of one half only, fine-tuned ones on two
splits. Not run at full size by us: plan says what it takes.
"""

from ml_collections import ConfigDict
from transfer_jax.configs._imagenet import imagenet_config  # pyright: ignore


def get_config() -> ConfigDict:
    """Both halves of four random splits, every treatment at every cut."""
    config = imagenet_config("imagenet_random", reference="random_split")
    config.splits = ("random-0", "random-1", "random-2", "random-3")
    config.scales.tiny.splits = ("random-0", "random-1")
    return config
