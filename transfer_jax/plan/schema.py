"""Every field of a config: name, default, meaning, what it may hold, what it changes."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass

from transfer_jax.data.decoding import RESIZES
from transfer_jax.data.manifest import ENCODINGS
from transfer_jax.data.pixels import WHITE
from transfer_jax.data.sources import TEST_SHARE, VALIDATION_SHARE
from transfer_jax.engine.condition import HELD, STATISTICS
from transfer_jax.engine.step import PACKINGS
from transfer_jax.folder.control_results import CONTROLS
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import DEFAULT_FAMILIES, FAMILIES
from transfer_jax.models.precision import PRECISIONS
from transfer_jax.models.preprocessing import INTERPOLATIONS
from transfer_jax.plan.fields import Affects, ConfigError, Words, setting
from transfer_jax.plan.network_fields import NetworkFields, network_kind
from transfer_jax.plan.optimizer_fields import AdamW, OptimizerFields, Sgd, optimizer_kind
from transfer_jax.plan.running_fields import Cache, Checkpoint, Logs, Reading

RUNNING, COLUMNS, INPUTS = Affects.RUNNING, Affects.COLUMNS, Affects.INPUTS
STATE, CONDITIONS = Affects.STATE, Affects.CONDITIONS
MOST_LAYERS = 1000
# Of images that are drawn before training begins: their table fills 1 GiB then.
MOST_DRAWN = 2**28
TREATMENTS = tuple(t.value for t in Treatment if t != Treatment.BASE)
# Splits by rule, which every dataset has.
# One spelling each: random-1 and random-01 would be taken for two splits.
RANDOM_SPLIT, WHOLE = r"random-(0|[1-9][0-9]{0,8})", "whole"
LIKE_A_RULE = rf"random-\d+|{WHOLE}"
# Names of folders and files are made of these.
RUN_NAME = Words(
    r"[\w+-][\w.+ -]{0,99}", "name of a folder", "up to 100 letters, digits, blanks, . + - and _"
)
SPLIT_NAME = Words(r"\w[\w.+ -]{0,99}", "name of a split", "letters, digits, blanks, . + - and _")
# ml_collections takes no dots in names.
OWN_NAME = Words(r"\w[\w+ -]{0,99}", "name for a file", "letters, digits, blanks, + - and _")
GROUP_NAME = Words(r"[^.\0]{1,999}", "name of a group", "any text without dots")


@dataclass(frozen=True)
class Form:
    """What images become when they are prepared."""

    size: int = setting(32, "height and width in pixels; 0: the network's own", low=0, high=4096)
    resize: str = setting(
        "warp", "warp: both sides are scaled; crop: the middle is cut out", choices=RESIZES
    )
    interpolation: str = setting(
        "", "bilinear or bicubic; empty: as a pretrained network wants it, else bilinear",
        choices=("", *INTERPOLATIONS),
    )  # fmt: skip
    encoding: str = setting("raw", "how pixels are stored: raw, or jpeg", choices=ENCODINGS)
    background: tuple[int, int, int] = setting(
        WHITE, "red, green and blue behind what is transparent", low=0, high=255
    )


@dataclass(frozen=True)
class Data:
    """Which images, and what is done with them."""

    source: str = setting(
        "fashion_mnist",
        "fashion_mnist, openclipart, imagenet2012, folder, tfds:NAME, or PACKAGE.MODULE:FUNCTION",
    )
    folder: str = setting(
        "", "where it is prepared, or a folder of class folders, which the run prepares; empty: "
        "data/ and the source's name",
    )  # fmt: skip
    form: Form = setting(Form(), "what images become when they are prepared")
    stream: bool = setting(False, "True: batches are read from disk as training goes on")
    train_per_class: int = setting(
        0, "training images of each class, the first ones; 0: all", low=0, high=10**7,
        affects=INPUTS,
    )  # fmt: skip
    test_per_class: int = setting(0, "test images of each class; 0: all", low=0, high=10**7)
    validation_share: float = setting(
        VALIDATION_SHARE, "share of each class's training images to validate on, where the "
        "dataset has no validation part; 0: none",
        low=0.0, below=1.0,
    )  # fmt: skip
    test_share: float = setting(
        TEST_SHARE, "likewise to test on, where the dataset has no test part", above=0.0, below=1.0
    )
    hold_out_seed: int = setting(0, "another one holds out other images", low=0, high=2**31)
    enlarge: int = setting(1, "how often each pixel is repeated, both ways", low=1, high=16)
    mirror: bool = setting(False, "whether training images are mirrored at random")
    shift: int = setting(0, "pixels by which training images are shifted", low=0, high=1000)
    crop: int = setting(0, "side of a square that is cut out of images; 0: none", low=0, high=4096)
    views: int = setting(
        0, "at how many places in an image a crop or shift may lie in all of training, the same "
        "places in all images, the first one in the middle; 0: anywhere, at every step",
        low=0, high=1000,
    )  # fmt: skip
    reshuffle: bool = setting(True, "whether each pass over the data has an order of its own")
    mean: str = setting(
        "base", "whose mean image is subtracted: of the base's task, or of the target's",
        choices=("base", "target"),
    )  # fmt: skip
    scale: str = setting(
        "deviation", "deviation: pixels of variance 1; none: grey levels less the mean",
        choices=("deviation", "none"),
    )  # fmt: skip


@dataclass(frozen=True)
class Classes:
    """The classes, or groups of classes, of the tasks of a split."""

    A: tuple[str, ...] = setting(MISSING, "classes of task A")
    B: tuple[str, ...] = setting(MISSING, "classes of task B")


@dataclass(frozen=True)
class Layers:
    """A choice of layers."""

    copied: tuple[str, ...] = setting(MISSING, "layers that come from the base network")
    frozen: tuple[str, ...] = setting(MISSING, "layers that stay as they are")


@dataclass(frozen=True)
class Config:
    """All that a run is."""

    name: str = setting(
        "experiment", "the run's folder is runs/NAME", words=RUN_NAME, affects=COLUMNS
    )
    reference: str = setting(
        "", "random_split, man_natural, ...: the authors' networks to compare with", affects=COLUMNS
    )
    scale: str = setting("full", "which of the config's scales this is", affects=COLUMNS)
    data: Data = setting(Data(), "which images, and what is done with them")
    reading: Reading = setting(Reading(), "how batches of a stream are read", affects=RUNNING)
    splits: tuple[str, ...] = setting(
        ("random-0",), "random-<k>: random split k by the paper's rule; whole: all classes as one "
        "task; or names of named_splits",
        words=SPLIT_NAME, some="name at least one, such as ('random-0',)", distinct=True,
        affects=COLUMNS,
    )  # fmt: skip
    named_splits: Mapping[str, Classes] = setting(
        dict, "name of a split to the classes of its tasks A and B", words=OWN_NAME, affects=INPUTS
    )
    groups: Mapping[str, tuple[str, ...]] = setting(
        dict, "name of a group to its classes, for named_splits", words=GROUP_NAME,
        some="a group has at least one class", affects=INPUTS,
    )  # fmt: skip
    seeds: int = setting(1, "how often all is trained, from other seeds", low=1, high=1000,
                         affects=COLUMNS)  # fmt: skip
    cuts: tuple[int | str, ...] = setting(
        (), "numbers of transferred layers, 'stages', 'quarters' (up to four of these), 'blocks', "
        "or names of layers; empty: after every layer, of a pretrained network after every stage",
        low=0, high=MOST_LAYERS, distinct=True, affects=COLUMNS,
    )  # fmt: skip
    treatments: tuple[str, ...] = setting(
        TREATMENTS, "what is trained beside base networks; scratch: nothing is transferred, and "
        "trained for as many steps as base and transfer together",
        choices=TREATMENTS, distinct=True, affects=COLUMNS,
    )  # fmt: skip
    families: tuple[str, ...] = setting(
        DEFAULT_FAMILIES, "ways to use a pretrained network that are trained, with network.weights",
        choices=tuple(FAMILIES), distinct=True, affects=COLUMNS,
    )  # fmt: skip
    budget: float = setting(
        0.0, "what a race between families may cost, in full fine-tunings of one network; 0: no "
        "race, all are trained",
        low=0.0, high=10.0**6, affects=COLUMNS,
    )  # fmt: skip
    examples: tuple[int, ...] = setting(
        (0,), "training images of each class of the target, the first ones; 0: all",
        low=0, high=10**7, distinct=True, affects=COLUMNS,
        some="(0,) trains on all images of each class",
    )  # fmt: skip
    preserved: tuple[int, ...] = setting(
        (), "numbers of layers above the cut that are copied too, and trained",
        low=1, high=MOST_LAYERS, distinct=True, affects=COLUMNS,
    )  # fmt: skip
    variants: Mapping[str, Layers] = setting(
        dict, "other choices of layers by name: which are copied, which stay frozen; globs, such "
        "as {'tune_conv2': {'copied': ('conv*',), 'frozen': ('conv[134]',)}}",
        words=OWN_NAME, affects=CONDITIONS,
    )  # fmt: skip
    schedules: tuple[str, ...] = setting(
        (), "ways to set the transferred layers free one after the other: lp-ft, gradual, or a "
        "function of one's own, PACKAGE.MODULE:FUNCTION",
        distinct=True, affects=COLUMNS,
    )  # fmt: skip
    network: NetworkFields = setting(
        lambda: network_kind("")(), "the network", by_name=network_kind
    )
    optimizer: OptimizerFields = setting(
        Sgd(), "the optimizer of each network", by_name=optimizer_kind
    )
    precision: str = setting(
        "float32", "bfloat16: layers compute in it, parameters stay float32", choices=PRECISIONS
    )
    packing: str = setting(
        "unroll", "conditions are written out one after the other, or mapped over",
        choices=PACKINGS, affects=CONDITIONS,
    )  # fmt: skip
    devices_per_column: int = setting(
        0, "0: devices that no column needs share the batch of another", low=0, high=10**6
    )
    frozen_dropout: bool = setting(True, "whether dropout stays on in frozen layers")
    copied_statistics: str = setting(
        HELD, "batch statistics of copied layers that are trained: held, or learned: moves",
        choices=STATISTICS, affects=CONDITIONS,
    )  # fmt: skip
    test_every: int = setting(
        0, "steps between two tests; 0: after the last step only", low=0, high=10**8
    )
    test_part: int = setting(
        0, "test images, as many of each class, that tests before the last step are made of; 0: "
        "all of them",
        low=0, high=10**7,
    )  # fmt: skip
    controls: tuple[str, ...] = setting(
        (), "what is measured of networks beside accuracy: any of " + ", ".join(CONTROLS),
        choices=CONTROLS, distinct=True, affects=COLUMNS,
    )  # fmt: skip
    control_examples: int = setting(
        500, "images that networks are looked at with", low=1, high=10**6, affects=COLUMNS
    )
    steps: int = setting(
        300, "training steps of each network; of scratch twice as many", low=1, high=10**8
    )
    batch_size: int = setting(32, "images of a training batch", low=1, high=10**6)
    test_batch_size: int = setting(250, "images of a test batch", low=1, high=10**6)
    bases: str = setting(
        "", "folder of a run of the same config whose base networks are taken over", affects=RUNNING
    )
    checkpoint: Checkpoint = setting(
        Checkpoint(), "when columns in training are kept", affects=RUNNING
    )
    cache: Cache = setting(
        Cache(), "what of frozen layers is computed once, and not at every step", affects=RUNNING
    )
    logs: Logs = setting(Logs(), "what is written as training goes on", affects=RUNNING)
    margin: float = setting(
        0.0, "difference of accuracies that does not matter to the advice, 0.01 is a point; 0: the "
        "smaller of a point and a tenth of the error of scratch",
        low=0.0, high=0.5, affects=RUNNING,
    )  # fmt: skip
    profile_steps: tuple[int, int] = setting(
        (0, 0), "first and last step, of the first columns, that are profiled", low=0, high=10**8,
        affects=RUNNING,
    )  # fmt: skip


def check_together(config: Config) -> None:
    """Check what fields hold in view of each other.

    Args:
      config: a config each of whose fields is right by itself.

    Raises:
      ConfigError: a field does not fit another.

    Example:
      >>> check_together(Config(steps=31))
    """
    for name in config.named_splits:
        if re.fullmatch(LIKE_A_RULE, name):
            raise ConfigError(
                f"named_splits.{name} has the name of a split by rule; allowed: any other"
            )
    steps, optimizer = config.steps, config.optimizer
    if isinstance(optimizer, Sgd | AdamW) and optimizer.warmup_steps >= steps:
        raise ConfigError(
            f"optimizer.warmup_steps is {optimizer.warmup_steps}; allowed: 0 to {steps - 1}, "
            "less than steps"
        )
    first, last = config.profile_steps
    if (first, last) != (0, 0) and not 0 < first < last:
        raise ConfigError(f"profile_steps is {config.profile_steps}; such as (40, 60)")
    twice = Treatment.SCRATCH in config.treatments and not config.network.weights
    if not config.data.stream and (1 + twice) * steps * config.batch_size > MOST_DRAWN:
        scratch = ", twice as many from scratch" if twice else ""
        raise ConfigError(
            f"steps is {steps}{scratch}, and batch_size {config.batch_size}; allowed: up to "
            f"{MOST_DRAWN} images in all, or data.stream=True"
        )
