"""The optimizers that a config can name, with their fields."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import optax
from jaxtyping import Array, ArrayLike

from transfer_jax.engine.optimizers import adamw, caffe_sgd, layer_rates, sgd, step_schedule
from transfer_jax.grid.registry import kind_of, made, named
from transfer_jax.plan.fields import Affects, setting
from transfer_jax.plan.own_fields import fields_of

STATE = Affects.STATE
BY_LAYER = ("head_multiple", "layer_decay")
# What an optimizer keeps in its state beside what it learns, where it has it.
HELD = ("learning_rate", "weight_decay", "beta1", "beta2", *BY_LAYER)
RATES = (
    "multiples of learning_rate of which scratch, frozen and fine-tuned networks take the best "
    "each, by validation images, on a pilot seed"
)


def _learning_rate(default: float, doc: str) -> float:
    return setting(default, doc, above=0.0, affects=STATE)


def _share(default: float, doc: str) -> float:
    return setting(default, doc, low=0.0, below=1.0, affects=STATE)


def _weight_decay(default: float, doc: str) -> float:
    return setting(default, doc, low=0.0, affects=STATE)


def _warmup_steps() -> int:
    return setting(30, "steps in which the rate rises; less than steps", low=0, high=10**8)


def _head_multiple() -> float:
    doc = "what the head's rate is multiplied by; the head is the last layer"
    return setting(1.0, doc, above=0.0, high=1e6, affects=STATE)


def _layer_decay() -> float:
    doc = "what a layer's rate is multiplied by to have that of the layer below it; 1: all alike"
    return setting(1.0, doc, above=0.0, high=1.0, affects=STATE)


@dataclass(frozen=True)
class OptimizerFields:
    """What every optimizer has; the fields of each are in a class of its own."""

    name: str = setting("sgd", "which optimizer")


@dataclass(frozen=True)
class WithRates(OptimizerFields):
    """An optimizer that is built in: its rate lies in its state, and can be chosen."""

    learning_rate: float = _learning_rate(0.03, "the highest rate")
    rates: tuple[float, ...] = setting(
        (1.0,), RATES, above=0.0, high=1e6, distinct=True, affects=STATE,
        some="(1.0,) takes learning_rate itself",
    )  # fmt: skip


@dataclass(frozen=True)
class Sgd(WithRates):
    """SGD that warms up and falls along a cosine."""

    name: str = setting(
        "sgd", "sgd; adamw, which scales each step; or caffe: Caffe's, which falls in steps"
    )
    warmup_steps: int = _warmup_steps()
    momentum: float = setting(0.9, "share of the velocity that is kept", low=0.0, below=1.0)
    weight_decay: float = _weight_decay(5e-4, "factor of a parameter that is added to its gradient")
    head_multiple: float = _head_multiple()
    layer_decay: float = _layer_decay()


@dataclass(frozen=True)
class AdamW(WithRates):
    """AdamW that warms up and falls along a cosine."""

    name: str = setting("adamw", "adamw; sgd, which falls likewise; or caffe")
    learning_rate: float = _learning_rate(3e-4, "the highest rate")
    warmup_steps: int = _warmup_steps()
    beta1: float = _share(0.9, "share of the mean gradient that is kept")
    beta2: float = _share(0.999, "share of the mean squared gradient that is kept")
    weight_decay: float = _weight_decay(
        0.05, "share of a parameter that is taken off at each step, times the rate; biases, "
        "norms and tokens have none"
    )  # fmt: skip
    head_multiple: float = _head_multiple()
    layer_decay: float = _layer_decay()


@dataclass(frozen=True)
class Caffe(WithRates):
    """Caffe's SGD, whose rate falls in steps."""

    name: str = setting("caffe", "caffe; or sgd or adamw, which fall along a cosine")
    learning_rate: float = _learning_rate(0.01, "the first rate")
    step_every: int = setting(100_000, "steps after which the rate falls", low=1, high=10**8)
    step_factor: float = setting(0.1, "what it is multiplied by then", low=0.0, below=1.0)
    momentum: float = setting(0.9, "share of the velocity that is kept", low=0.0, below=1.0)
    weight_decay: float = _weight_decay(5e-4, "factor of a parameter that is added to its gradient")


OPTIMIZERS = {"sgd": Sgd, "adamw": AdamW, "caffe": Caffe}


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
    fields: OptimizerFields, steps: int, trainings: int = 1, *, layers: Sequence[str]
) -> optax.GradientTransformation:
    """The optimizer of one network that a config's fields name.

    Args:
      steps: steps of one training.
      trainings: how many trainings' steps the network has; its rate falls as far as over one.
      layers: names of the network's layers, in depth order.

    Returns:
      The optimizer.

    Raises:
      ValueError: what a function of one's own makes is none.

    Example:
      >>> tx = make_optimizer(Sgd(), 50, layers=("conv1", "fc2"))
    """
    if not isinstance(fields, WithRates):
        return _own(fields, steps * trainings)
    held, shape = in_state(fields), _shape(fields, steps, trainings)

    # In the state, not in the program: runs that differ in these alone share a program. Optax
    # tells them by name; those that an optimizer does not keep are None.
    @optax.inject_hyperparams
    def of(
        learning_rate: Array,
        weight_decay: Array,
        beta1: Array,
        beta2: Array,
        head_multiple: Array | None,
        layer_decay: Array | None,
    ) -> optax.GradientTransformation:
        def rate(step: ArrayLike) -> ArrayLike:
            return learning_rate * shape(step)

        if isinstance(fields, AdamW):
            tx = adamw(rate, weight_decay, beta1, beta2)
        else:
            make = caffe_sgd if isinstance(fields, Caffe) else sgd
            tx = make(rate, fields.momentum, weight_decay)  # pyright: ignore
        if head_multiple is None or layer_decay is None:
            return tx
        return optax.chain(tx, layer_rates(layers, head_multiple, layer_decay))

    return of(**{name: held.get(name) for name in HELD})


def _shape(fields: WithRates, steps: int, trainings: int) -> optax.Schedule:
    """How the rate goes, as a share of the learning rate."""
    if isinstance(fields, Caffe):
        return step_schedule(1.0, fields.step_every * trainings, fields.step_factor)
    assert isinstance(fields, Sgd | AdamW)
    return optax.warmup_cosine_decay_schedule(0.0, 1.0, fields.warmup_steps, steps * trainings)


def in_state(fields: OptimizerFields, rate: float = 1.0) -> dict[str, float]:
    """The settings of an optimizer that lie in its state.

    SGD has no rates layer by layer in its state where all layers have one rate.

    Args:
      rate: what its learning rate is multiplied by.

    Returns:
      Name to value; none for an optimizer of one's own.

    Example:
      >>> in_state(Sgd(), 2.0)
      {'learning_rate': 0.06, 'weight_decay': 0.0005}
    """
    if not isinstance(fields, WithRates):
        return {}
    own = {name: getattr(fields, name) for name in HELD if hasattr(fields, name)}
    if isinstance(fields, Sgd) and fields.head_multiple == fields.layer_decay == 1:
        own = {name: value for name, value in own.items() if name not in BY_LAYER}
    return {**own, "learning_rate": rate * fields.learning_rate}


def rates_of(fields: OptimizerFields) -> tuple[float, ...]:
    """The multiples of its learning rate that an optimizer is tried at, ascending.

    Returns:
      The rates; one where nothing is tried. An optimizer of one's own keeps its rate for itself.

    Example:
      >>> rates_of(Sgd(rates=(1.0, 0.3)))
      (0.3, 1.0)
    """
    return tuple(sorted(fields.rates)) if isinstance(fields, WithRates) else (1.0,)


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
