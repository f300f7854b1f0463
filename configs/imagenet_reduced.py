"""The paper's supplement: CaffeNet on the first k training images of each class of ILSVRC-2012.

    transfer-jax prepare --config=configs/imagenet_reduced.py --manual_dir=FOLDER_OF_TARS
    transfer-jax run --config=configs/imagenet_reduced.py

Expect: as the authors found, 55.2 % with all images, 54.1 % with 1000 a class, 38.4 % with 250,
and chance below: there training fails. All 12 networks are the authors'. Not run at full size.

How many layers to transfer when the target has few images is the same field of another config:

    transfer-jax run --config=configs/imagenet_random.py --config.examples='(10,100,0)'
"""

from ml_collections import ConfigDict
from transfer_jax.configs._imagenet import imagenet_config  # pyright: ignore


def get_config() -> ConfigDict:
    """Base networks alone, by the authors' shorter schedule."""
    config = imagenet_config("imagenet_reduced", reference="reduced")
    config.splits = ("whole",)
    config.treatments = ()
    config.examples = (1, 2, 5, 10, 25, 50, 100, 250, 500, 750, 1000, 0)
    config.optimizer.learning_rate = 0.0125
    config.optimizer.step_every = 64_000
    config.steps = 200_000
    config.scales.tiny.examples = (1, 5, 10, 0)
    return config
