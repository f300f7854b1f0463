"""The paper's figure 3, left: CaffeNet between man-made and natural classes of ILSVRC-2012.

    transfer-jax prepare --config=configs/imagenet_man_natural.py --manual_dir=FOLDER_OF_TARS
    transfer-jax run --config=configs/imagenet_man_natural.py

Expect: as the authors found, base networks 53.7 % on man-made and 65.3 % on natural classes; at
n = 7, 24.6 and 25.4 points less, three times the loss between random halves. The authors trained 16
of these 58 networks: no selffers and no fine-tuned ones. Not run at full size by us.
"""

from ml_collections import ConfigDict
from transfer_jax.configs._imagenet import imagenet_config  # pyright: ignore

MAN_MADE = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
NATURAL = ("Trouser", "Sandal", "Sneaker", "Bag", "Ankle boot")


def get_config() -> ConfigDict:
    """One split by kind: A is man-made, B natural."""
    config = imagenet_config("imagenet_man_natural", reference="man_natural")
    config.splits = ("man-natural",)
    config.named_splits["man-natural"] = ConfigDict({"A": ("man-made",), "B": ("natural",)})
    # The embedded images have no natural classes; these stand in for them.
    config.scales.tiny.groups = ConfigDict({"man-made": MAN_MADE, "natural": NATURAL})
    return config
