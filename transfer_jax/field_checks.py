"""What the fields of a config may hold."""

from typing import Any

from transfer_jax.components import OPTIMIZERS
from transfer_jax.config import Config, ConfigError, flat_fields
from transfer_jax.control_results import CONTROLS
from transfer_jax.engine.step import PACKINGS
from transfer_jax.models.precision import PRECISIONS

POSITIVE = ("seeds", "steps", "batch_size", "test_batch_size", "data.enlarge", "logs.every",
            "control_examples")  # fmt: skip
# Fields that may be 0, which stands for all or none.
COUNTS = ("data.train_per_class", "data.test_per_class", "test_every", "network.num_outputs",
          "checkpoint.steps")  # fmt: skip
# Fields that only some configs have are checked where they stand.
RANGES = (
    ("optimizer.momentum", 0.0, 1.0),
    ("optimizer.weight_decay", 0.0, float("inf")),
    ("optimizer.step_every", 1, float("inf")),
    ("optimizer.step_factor", 0.0, 1.0),
    ("data.shift", 0, 1000),
    ("data.crop", 0, 10_000),
    ("devices_per_column", 0, float("inf")),
    ("checkpoint.minutes", 0.0, float("inf")),
    ("checkpoint.grace", 0.0, float("inf")),
)
CHOICES = {
    "packing": PACKINGS,
    "checkpoint.networks": ("bases", "all"),
    "precision": PRECISIONS,
    "optimizer.name": OPTIMIZERS,
    "data.mean": ("base", "target"),
    "data.scale": ("deviation", "none"),
}


def check_fields(config: Config) -> None:
    """Check what each field of a config holds by itself.

    Args:
      config: the config.

    Raises:
      ConfigError: a field holds what it may not; the field and what is allowed are named.
    """
    fields: dict[str, Any] = dict(flat_fields(config))
    for name in (*POSITIVE, *COUNTS):
        value, low = fields[name], int(name in POSITIVE)
        if not isinstance(value, int) or value < low:
            raise ConfigError(f"{name} is {value!r}; allowed: whole numbers from {low}")
    for name in ("cuts", "preserved", "examples"):
        for n in fields[name]:
            if not isinstance(n, int) or n < (name == "preserved"):
                raise ConfigError(f"{name} holds {n!r}; allowed: whole numbers, such as (1, 3)")
    for name in config.controls:
        if name not in CONTROLS:
            raise ConfigError(f"controls holds '{name}'; allowed: {', '.join(CONTROLS)}")
    if not config.examples:
        raise ConfigError("examples is empty; (0,) trains on all images of each class")
    for name, low, high in (*RANGES, ("optimizer.warmup_steps", 0, config.steps)):
        if name in fields and not low <= fields[name] < high:
            raise ConfigError(f"{name} is {fields[name]}; allowed: {low} <= {name} < {high}")
    for name, allowed in CHOICES.items():
        if fields[name] not in allowed:
            raise ConfigError(f"{name} is '{fields[name]}'; allowed: {', '.join(allowed)}")
    first, last = (*config.profile_steps, 0, 0)[:2]
    if (first, last) != (0, 0) and not 0 < first < last:
        raise ConfigError(f"profile_steps is {config.profile_steps}; such as (40, 60)")
    if config.optimizer.learning_rate <= 0:
        raise ConfigError(
            f"optimizer.learning_rate is {config.optimizer.learning_rate}; allowed: above 0"
        )
