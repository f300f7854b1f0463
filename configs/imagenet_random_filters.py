"""The paper's figure 3, right: CaffeNet on all of ILSVRC-2012, first layers random and frozen.

    transfer-jax prepare --config=configs/imagenet_random_filters.py --manual_dir=FOLDER_OF_TARS
    transfer-jax run --config=configs/imagenet_random_filters.py

Expect: as the authors found, 57.6 % without random layers, 49.2 % at n = 1, 40.3 % at n = 2, near
chance from n = 3 on. All 8 networks are the authors'. Not run at full size by us.
"""

from ml_collections import ConfigDict
from transfer_jax.configs._imagenet import imagenet_config  # pyright: ignore


def get_config() -> ConfigDict:
    """All classes as one task; its base network and random, frozen first layers."""
    config = imagenet_config("imagenet_random_filters", reference="random_filters")
    config.splits = ("whole",)
    config.treatments = ("random",)
    return config
