"""How general is each layer of a ConvNet trained on half of CIFAR-100? For an hour on a GPU.

    transfer-jax prepare --config=configs/cifar100.py
    transfer-jax run --config=configs/cifar100.py --workdir=runs/cifar100

The first line downloads CIFAR-100 through TFDS. Expect: AnB falls below BnB in the last layers,
more on the man-natural split than on the random ones; not run on the real images by us.
"""

from ml_collections import ConfigDict

# The 20 superclasses of CIFAR-100; source: Krizhevsky (2009), Learning multiple layers of features.
NATURAL = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_sized_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non_insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
}
MAN_MADE = {
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "large_man_made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}


def get_config() -> ConfigDict:
    """Two random splits and man-made against natural, three seeds, every treatment."""
    config = ConfigDict()
    config.name = "cifar100"
    config.reference = ""
    config.scale = "full"
    config.scales = ConfigDict({"tiny": _tiny()})

    config.data = ConfigDict()
    config.data.source = "tfds:cifar100"
    config.data.folder = "data/cifar100"
    config.data.form = ConfigDict({"size": 32, "resize": "warp", "encoding": "raw"})
    config.data.stream = False
    config.data.train_per_class = 0
    config.data.test_per_class = 0
    config.data.enlarge = 1
    config.data.mirror = True
    config.data.shift = 4
    config.data.crop = 0
    config.data.reshuffle = True
    config.data.mean = "base"
    config.data.scale = "deviation"
    config.reading = ConfigDict({"workers": 0, "threads": 8, "ahead": 8})

    config.splits = ("random-0", "random-1", "man-natural")
    config.named_splits = ConfigDict()
    config.named_splits["man-natural"] = ConfigDict({"A": tuple(MAN_MADE), "B": tuple(NATURAL)})
    config.groups = ConfigDict({**MAN_MADE, **NATURAL})

    config.seeds = 3
    config.cuts = ()
    config.treatments = ("BnB", "BnB+", "AnB", "AnB+", "random")
    config.examples = (0,)
    config.preserved = ()
    config.variants = ConfigDict()

    config.network = ConfigDict()
    config.network.name = "convnet"
    config.network.num_outputs = 0
    config.network.widths = (32, 64, 64, 128)
    config.network.kernel_sizes = (5, 3, 3, 3)
    config.network.strides = (1, 1, 1, 1)
    config.network.pools = (2, 2, 1, 2)
    config.network.dense_widths = (256,)
    config.network.dropout = 0.5

    config.optimizer = ConfigDict()
    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 0.02
    config.optimizer.warmup_steps = 500
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 5e-4

    config.precision = "float32"
    config.packing = "unroll"
    config.devices_per_column = 0
    config.frozen_dropout = True
    config.test_every = 0
    config.steps = 8000
    config.batch_size = 128
    config.test_batch_size = 500
    return config


def _tiny() -> ConfigDict:
    """The same on the embedded images, for a few steps."""
    return ConfigDict(
        {
            "data": {
                "source": "fashion_mnist",
                "folder": "",
                "train_per_class": 20,
                "test_per_class": 20,
            },
            "named_splits": {
                "man-natural": {
                    "A": ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt"),
                    "B": ("Trouser", "Sandal", "Sneaker", "Bag", "Ankle boot"),
                }
            },
            "splits": ("random-0", "man-natural"),
            "seeds": 1,
            "cuts": (1, 3, 5),
            "optimizer": {"warmup_steps": 1},
            "steps": 4,
            "batch_size": 8,
            "test_batch_size": 100,
        }
    )
