"""How general is each layer of a small ConvNet trained on half of Fashion-MNIST?

    transfer-jax run --config=configs/fashion_mnist.py --workdir=runs/fashion_mnist

Expect: 432 networks. Frozen transfer (AnB) is not shown to lose anything up to n = 3; at n = 5 it
is 7.9 +- 0.8 points below base on the random split and 11.8 +- 1.0 on the distant one. Fine-tuned
transfer (AnB+) is not shown to lose anything, nor to gain more than BnB+.

What is not said here is as `transfer-jax config` prints it.
"""

from ml_collections import ConfigDict

CLOTHES = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
OTHERS = ("Trouser", "Sandal", "Sneaker", "Bag", "Ankle boot")


def get_config() -> ConfigDict:
    """The default experiment: two splits, six seeds, every treatment at every cut."""
    config = ConfigDict()
    config.name = "fashion_mnist"
    config.splits = ("random-0", "distant")
    config.named_splits = ConfigDict({"distant": {"A": CLOTHES, "B": OTHERS}})
    config.seeds = 6
    # So few that 240 steps are fifteen passes over them, after which twice as many gain little.
    config.data = ConfigDict({"train_per_class": 100})
    config.steps = 240
    # Scratch, frozen and fine-tuned networks each have the best of three learning rates.
    config.optimizer = ConfigDict({"rates": (0.3, 1.0, 3.0)})
    # Ten tests a network, twenty from scratch, on a batch of the test images.
    config.test_every, config.test_part = 24, 250
    return config
