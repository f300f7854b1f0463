"""The optimizers that a config can name, with their fields."""

import functools
from dataclasses import dataclass

import optax
from jaxtyping import Array

from transfer_jax.engine.optimizers import caffe_sgd, sgd, step_schedule
from transfer_jax.grid.registry import kind_of, made, named
from transfer_jax.plan.fields import Affects, setting
from transfer_jax.plan.own_fields import fields_of

STATE = Affects.STATE
RATES = (
    "multiples of learning_rate of which scratch, frozen and fine-tuned networks take the best "
    "each, by validation images, on a pilot seed"
)


def _rates() -> tuple[float, ...]:
    return setting(
        (1.0,), RATES, above=0.0, high=1e6, distinct=True, affects=STATE,
        some="(1.0,) takes learning_rate itself",
    )  # fmt: skip


@dataclass(frozen=True)
class OptimizerFields:
    """What every optimizer has; the fields of each are in a class of its own."""

    name: str = setting("sgd", "which optimizer")


@dataclass(frozen=True)
class Sgd(OptimizerFields):
    """SGD that warms up and falls along a cosine."""

    name: str = setting("sgd", "sgd, or caffe: Caffe's, which falls in steps")
    learning_rate: float = setting(0.03, "the highest rate", above=0.0, affects=STATE)
    rates: tuple[float, ...] = _rates()
    warmup_steps: int = setting(
        30, "steps in which the rate rises; less than steps", low=0, high=10**8
    )
    momentum: float = setting(0.9, "share of the velocity that is kept", low=0.0, below=1.0)
    weight_decay: float = setting(
        5e-4, "factor of a parameter that is added to its gradient", low=0.0, affects=STATE
    )


@dataclass(frozen=True)
class Caffe(OptimizerFields):
    """Caffe's SGD, whose rate falls in steps."""

    name: str = setting("caffe", "caffe, or sgd, which falls along a cosine")
    learning_rate: float = setting(0.01, "the first rate", above=0.0, affects=STATE)
    rates: tuple[float, ...] = _rates()
    step_every: int = setting(100_000, "steps after which the rate falls", low=1, high=10**8)
    step_factor: float = setting(0.1, "what it is multiplied by then", low=0.0, below=1.0)
    momentum: float = setting(0.9, "share of the velocity that is kept", low=0.0, below=1.0)
    weight_decay: float = setting(
        5e-4, "factor of a parameter that is added to its gradient", low=0.0, affects=STATE
    )


OPTIMIZERS = {"sgd": Sgd, "caffe": Caffe}


@functools.cache
def optimizer_kind(name: str) -> type[OptimizerFields]:
    """The fields of an optimizer.

    Args:
      name: one of `OPTIMIZERS`, or `package.module:function`; empty for the default.

    Returns:
      A dataclass.

    Raises:
      RegistryError: there is no such optimizer, or it does not take what it must.

    Example:
      >>> optimizer_kind("")().learning_rate
      0.03
    """
    found = named("optimizer.name", name or "sgd", OPTIMIZERS)
    if name in ("", *OPTIMIZERS):
        return found
    return fields_of(found, name, OptimizerFields, ("steps",), "optimizer.name")


def make_optimizer(
    fields: OptimizerFields, steps: int, trainings: int = 1
) -> optax.GradientTransformation:
    """The optimizer of one network that a config's fields name.

    Args:
      steps: steps of one training.
      trainings: how many trainings' steps the network has; its rate falls as far as over one.

    Returns:
      The optimizer.

    Raises:
      ValueError: what a function of one's own makes is none.

    Example:
      >>> tx = make_optimizer(Sgd(), 50)
    """
    if isinstance(fields, Sgd):
        make, momentum = sgd, fields.momentum
        whole = steps * trainings
        shape = optax.warmup_cosine_decay_schedule(0.0, 1.0, fields.warmup_steps, whole)
    elif isinstance(fields, Caffe):
        make, momentum = caffe_sgd, fields.momentum
        shape = step_schedule(1.0, fields.step_every * trainings, fields.step_factor)
    else:
        return _own(fields, steps * trainings)

    # In the state, not in the program: runs that differ in these alone share a program.
    @optax.inject_hyperparams
    def of(learning_rate: Array, weight_decay: Array) -> optax.GradientTransformation:
        return make(lambda step: learning_rate * shape(step), momentum, weight_decay)

    return of(**in_state(fields))


def in_state(fields: OptimizerFields, rate: float = 1.0) -> dict[str, float]:
    """The settings of an optimizer that lie in its state.

    Args:
      rate: what its learning rate is multiplied by.

    Returns:
      Name to value; none for an optimizer of one's own.

    Example:
      >>> in_state(Sgd(), 2.0)
      {'learning_rate': 0.06, 'weight_decay': 0.0005}
    """
    if not isinstance(fields, Sgd | Caffe):
        return {}
    return {
        "learning_rate": rate * fields.learning_rate,
        "weight_decay": fields.weight_decay,
    }


def rates_of(fields: OptimizerFields) -> tuple[float, ...]:
    """The multiples of its learning rate that an optimizer is tried at, ascending.

    Returns:
      The rates; one where nothing is tried. An optimizer of one's own keeps its rate for itself.

    Example:
      >>> rates_of(Sgd(rates=(1.0, 0.3)))
      (0.3, 1.0)
    """
    return tuple(sorted(fields.rates)) if isinstance(fields, Sgd | Caffe) else (1.0,)


def _own(fields: OptimizerFields, steps: int) -> optax.GradientTransformation:
    arguments = {**vars(fields), "steps": steps}
    name = arguments.pop("name")
    found = made("optimizer.name", name, {}, arguments)
    if not isinstance(found, optax.GradientTransformation):
        raise ValueError(
            f"optimizer.name is '{name}', which made {kind_of(found)}; allowed: an "
            "optax.GradientTransformation"
        )
    return found
