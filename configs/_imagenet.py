"""What the experiments on ILSVRC-2012 have in common: the authors' network, solver and data."""

from ml_collections import ConfigDict


def imagenet_config(name: str, reference: str) -> ConfigDict:
    """The authors' settings; `--config.scale=tiny` tries every line of them in a minute.

    Args:
      name: the config's name.
      reference: the authors' networks that a run is compared with.

    Returns:
      The config: the paper's treatments on no split yet.
    """
    config = ConfigDict({"name": name, "reference": reference, "scales": {"tiny": _tiny()}})
    config.data = {
        "source": "imagenet2012",
        "form": {"size": 256, "encoding": "jpeg"},
        "stream": True,
        "validation_share": 0.0,  # as the original, which trained on all training images
        "mirror": True,
        "crop": 227,
        "reshuffle": False,  # as the original, whose database was shuffled once
        "scale": "none",  # grey levels less the mean image
    }
    config.reading = {"workers": 8}
    config.named_splits = {}
    config.treatments = ("BnB", "BnB+", "AnB", "AnB+")
    # As the original, 1000 logits for half of the classes too.
    config.network = {"name": "caffenet", "num_outputs": 1000}
    config.optimizer = {"name": "caffe"}
    config.test_every = 1000
    config.steps = 450_000
    config.batch_size = 256
    return config


def _tiny() -> ConfigDict:
    """A narrow CaffeNet on enlarged embedded images, for a few steps."""
    data = {
        "source": "fashion_mnist",
        "stream": False,
        "train_per_class": 20,
        "test_per_class": 20,
        "enlarge": 3,
        "crop": 67,
        "scale": "deviation",
    }
    return ConfigDict(
        {
            "data": data,
            "network": {"num_outputs": 10, "width": 1 / 16},
            "optimizer": {"step_every": 4},
            "cuts": (1, 4, 7),
            "test_every": 2,
            "steps": 6,
            "batch_size": 8,
            "test_batch_size": 100,
        }
    )
