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
    config = ConfigDict({"name": "cifar100", "scales": {"tiny": _tiny()}})
    config.data = {"source": "tfds:cifar100", "mirror": True, "shift": 4}
    config.splits = ("random-0", "random-1", "man-natural")
    config.named_splits = {"man-natural": {"A": tuple(MAN_MADE), "B": tuple(NATURAL)}}
    config.groups = {**MAN_MADE, **NATURAL}
    config.seeds = 3
    config.network = {
        "widths": (32, 64, 64, 128),
        "strides": (1, 1, 1, 1),
        "pools": (2, 2, 1, 2),
        "dense_widths": (256,),
        "dropout": 0.5,
    }
    config.optimizer = {"learning_rate": 0.02, "warmup_steps": 500}
    config.steps = 8000
    config.batch_size = 128
    config.test_batch_size = 500
    return config


def _tiny() -> ConfigDict:
    """The same on the embedded images, for a few steps."""
    return ConfigDict(
        {
            "data": {"source": "fashion_mnist", "train_per_class": 20, "test_per_class": 20},
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
