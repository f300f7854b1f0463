"""What the experiments on ILSVRC-2012 have in common: the authors' network, solver and data."""

from ml_collections import ConfigDict

ALL = ("BnB", "BnB+", "AnB", "AnB+")


def imagenet_config(name: str, reference: str) -> ConfigDict:
    """The authors' settings; `--config.scale=tiny` tries every line of them in a minute.

    Args:
      name: the config's name.
      reference: the authors' networks that a run is compared with.

    Returns:
      The config: all of the paper's and more treatments on no split yet.
    """
    config = ConfigDict()
    config.name = name
    config.reference = reference
    config.scale = "full"
    config.scales = ConfigDict({"tiny": _tiny()})

    config.data = ConfigDict()
    config.data.source = "imagenet2012"
    config.data.folder = "data/imagenet2012"
    config.data.form = ConfigDict({"size": 256, "resize": "warp", "encoding": "jpeg"})
    config.data.stream = True
    config.data.train_per_class = 0
    config.data.test_per_class = 0
    config.data.enlarge = 1
    config.data.mirror = True
    config.data.shift = 0
    config.data.crop = 227
    config.data.reshuffle = False  # as the original, whose database was shuffled once
    config.data.mean = "base"
    config.data.scale = "none"  # grey levels less the mean image
    config.reading = ConfigDict({"workers": 8, "threads": 8, "ahead": 8})

    config.splits = ()
    config.named_splits = ConfigDict()
    config.groups = ConfigDict()
    config.seeds = 1
    config.cuts = ()
    config.treatments = ALL
    config.examples = (0,)
    config.preserved = ()
    config.variants = ConfigDict()

    config.network = ConfigDict()
    config.network.name = "caffenet"
    config.network.num_outputs = 1000  # as the original, for half of the classes too; 0: the task's
    config.network.width = 1.0
    config.network.dropout = 0.5
    config.network.modern = False

    config.optimizer = ConfigDict()
    config.optimizer.name = "caffe"
    config.optimizer.learning_rate = 0.01
    config.optimizer.step_every = 100_000
    config.optimizer.step_factor = 0.1
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 5e-4

    config.precision = "float32"
    config.packing = "unroll"
    config.devices_per_column = 0
    config.frozen_dropout = True
    config.test_every = 1000
    config.steps = 450_000
    config.batch_size = 256
    config.test_batch_size = 250
    return config


def _tiny() -> ConfigDict:
    """A narrow CaffeNet on enlarged embedded images, for a few steps."""
    data = {
        "source": "fashion_mnist",
        "folder": "",
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
