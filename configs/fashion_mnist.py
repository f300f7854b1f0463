"""How general is each layer of a small ConvNet trained on half of Fashion-MNIST?

    transfer-jax run --config=configs/fashion_mnist.py --workdir=runs/fashion_mnist

Expect: 416 networks. Frozen transfer (AnB) loses nothing up to n = 2; at n = 5 it is 8.7 +- 0.8
points below base on the random split and 12.6 +- 1.4 on the distant one. Fine-tuned transfer (AnB+)
loses nothing, and gains no more than BnB+.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The default experiment: two splits, four seeds, every treatment at every cut."""
    config = ConfigDict()
    config.name = "fashion_mnist"
    config.reference = ""  # "random_split", ...: the authors' networks to compare with

    config.data = ConfigDict()
    config.data.source = "fashion_mnist"
    config.data.folder = ""  # where other sources are prepared
    config.data.stream = False  # True: batches are read from disk as training goes on
    config.data.train_per_class = 900  # 0: all; 100 of 1000 are held out for validation
    config.data.test_per_class = 1000
    config.data.enlarge = 1
    config.data.mirror = False
    config.data.shift = 0
    config.data.crop = 0
    config.data.reshuffle = True
    config.data.mean = "base"  # whose mean image is subtracted: the base's or the target's task's
    config.data.scale = "deviation"  # "none": grey levels less the mean

    config.reading = ConfigDict({"workers": 0, "threads": 8, "ahead": 8})  # of streamed batches

    # "random-<k>" is random split k by the paper's rule; other names are defined below.
    config.splits = ("random-0", "distant")
    config.named_splits = ConfigDict()
    config.named_splits.distant = ConfigDict()
    config.named_splits.distant.A = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
    config.named_splits.distant.B = ("Trouser", "Sandal", "Sneaker", "Bag", "Ankle boot")

    config.seeds = 4
    config.cuts = ()  # empty: after every layer, n = 1 ... N-1
    config.treatments = ("BnB", "BnB+", "AnB", "AnB+", "random")
    config.examples = (0,)  # training images of each class of the target, the first ones; 0: all
    config.preserved = ()  # (1, 2): also copy one or two layers above the cut, and train them
    # Other choices of layers, by name: which are copied, which stay frozen; globs are allowed.
    # config.variants.tune_conv2 = ConfigDict({"copied": ("conv*",), "frozen": ("conv[134]",)})
    config.variants = ConfigDict()

    config.network = ConfigDict()
    config.network.name = "convnet"
    config.network.num_outputs = 0  # 0: as many as the largest task has classes
    config.network.widths = (8, 16, 24, 24)
    config.network.kernel_sizes = (5, 3, 3, 3)
    config.network.strides = (2, 1, 1, 1)
    config.network.pools = (2, 1, 1, 2)
    config.network.dense_widths = (64,)
    config.network.dropout = 0.0

    config.optimizer = ConfigDict()
    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 0.03
    config.optimizer.warmup_steps = 30
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 5e-4

    config.precision = "float32"  # "bfloat16": layers compute in it, parameters stay float32
    config.packing = "unroll"  # "vmap": conditions of one structure are mapped over
    config.devices_per_column = 0  # 0: devices that no column needs share the batch of another

    config.frozen_dropout = True  # whether dropout stays on in frozen layers
    config.test_every = 0  # 0: test after the last step only
    config.controls = ()  # any of cka, stitching, barrier, reinitialisation, scores
    config.control_examples = 500  # images that networks are looked at with
    config.steps = 300
    config.batch_size = 32
    config.test_batch_size = 250
    return config
