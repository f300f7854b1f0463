"""A question: what is typed to ask which layers to freeze, and the config that it makes."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from transfer_jax.commands.usage import Parser, UsageError, given, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer_jax.plan.schema import Config

CONFIG, BUDGET, PASSES = "pretrained", 2, 3
MOST = 10**6
# What of networks is kept: without it there would be none to take.
KEPT = "all"
FAMILIES = ("probe", "freeze", "full", "lp-ft")
LEAST_STEPS, MANY_STEPS = 32, 10**4
STEPS, WARMUP = "--config.steps=", "--config.optimizer.warmup_steps="
BATCH, PRICE = "--config.batch_size=", "--config.budget="


def add_question(parser: Parser, one_of: "argparse._MutuallyExclusiveGroup | None" = None) -> None:
    """What a question is made of.

    Args:
      parser: a command's.
      one_of: arguments of which one may be given, weights among them; default: they must be.
    """
    instead = "; default: none, but a config" if one_of else ""
    (one_of or parser).add_argument(
        "--weights", required=one_of is None, type=given, metavar="FILE",
        help=f"pretrained weights: .safetensors or .pth, or package:NAME{instead}",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=given, metavar="FOLDER",
        help="a folder of images a class; default: clip art that is in the package",
    )  # fmt: skip
    parser.add_argument(
        "--network", type=given,
        help="its name, or PACKAGE.MODULE:FUNCTION; default: what the weights are recognised as",
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=_budget,
        help="what it may cost, in full fine-tunings of one network, of each task where there are "
        "several; a race that is over goes on with a larger one; "
        f"default: {BUDGET}",
    )  # fmt: skip
    parser.add_argument(
        "--passes", type=whole,
        help=f"a fine-tuning sees the training images so often, for {LEAST_STEPS} steps at least; "
        f"default: {PASSES}",
    )  # fmt: skip


def is_asked(arguments: argparse.Namespace) -> bool:
    """Whether a question was typed, where none needs to be.

    Args:
      arguments: as they are parsed.

    Returns:
      Whether there are weights.

    Raises:
      UsageError: there are none, but something else of a question.
    """
    if arguments.weights is not None:
        return True
    for name in ("images", "network", "budget", "passes"):
        if getattr(arguments, name) is not None:
            raise UsageError(
                f"--{name} is of a question, as `ask` takes it: give --weights, and no --config"
            )
    return False


def command(arguments: argparse.Namespace, overrides: list[str]) -> list[str]:
    """What is typed to ask this, but for the folder; what has a default is left out with it.

    Args:
      arguments: as they are parsed.
      overrides: of the config.

    Returns:
      Words of a shell.
    """
    said = {name: getattr(arguments, name) for name in ("weights", "images", "network")}
    if not any(text.startswith(PRICE) for text in overrides):
        said["budget"] = f"{_asked_budget(arguments):.15g}"
    said["passes"] = arguments.passes
    flags = [f"--{name}={value}" for name, value in said.items() if value is not None]
    return ["transfer-jax", "ask", *flags, *overrides]


def asked_config(
    arguments: argparse.Namespace, overrides: list[str], say: "Callable[[str], None]"
) -> "Config":
    """The config of a question: `pretrained`, with what was said and what the images tell.

    Args:
      arguments: as they are parsed.
      overrides: of the config; they win.
      say: is told what is done.

    Returns:
      The config.

    Raises:
      ValueError: the weights are of no network that is known, or a field may not hold its value.
    """
    from transfer_jax.plan.config import load_config
    from transfer_jax.plan.fields import ConfigError
    from transfer_jax.plan.own_folder import check_originals, with_prepared_folder
    from transfer_jax.plan.recipes import smallest_task

    flags = _flags(arguments)
    is_said = any(text.startswith(STEPS) for text in overrides)
    if is_said and arguments.passes is not None:
        raise ConfigError(
            f"--passes={arguments.passes} and {STEPS}N both say how long a fine-tuning is; give one"
        )
    if arguments.budget is not None and any(text.startswith(PRICE) for text in overrides):
        raise ConfigError(
            f"--budget={arguments.budget:g} and {PRICE}N both say what it may cost; give one"
        )
    # With steps enough for whatever else is asked for, until it is known how many they are.
    known = _shorter_warmup(flags, overrides, say) if is_said else [f"{STEPS}{MANY_STEPS}"]
    # What is quick to see is told before the weights are read.
    first = load_config(CONFIG, [*flags, *overrides, *known])
    check_originals(first, "--images" if arguments.images else "data.folder")
    if (kept := first.checkpoint.networks) != KEPT:
        raise ConfigError(
            f"checkpoint.networks is '{kept}', but a question ends with the network to take, "
            f"written to a file; allowed: '{KEPT}'"
        )
    name = arguments.network or _recognised(arguments.weights, say)
    flags += [f"--config.network.name={name}", f"--config.name={_called(name, arguments.images)}"]
    config = load_config(CONFIG, [*flags, *overrides, *known])
    prepared = with_prepared_folder(config, say)
    images, batch = smallest_task(prepared), config.batch_size
    if batch > images and not any(text.startswith(BATCH) for text in overrides):
        say(f"Batches have {images} images instead of {batch}: there are no more to train on")
        batch = images
    known.append(f"{BATCH}{batch}")
    if not is_said:
        passes = arguments.passes or PASSES
        steps = max(LEAST_STEPS, -(-passes * images // batch))
        known.append(f"{STEPS}{steps}")
        say(f"One fine-tuning is {steps} steps of {batch} of {images:,} training images")
    return replace(load_config(CONFIG, [*flags, *overrides, *known]), data=prepared.data)


def _flags(arguments: argparse.Namespace) -> list[str]:
    """What a question is about, whichever network the weights are of."""
    said = {"network.name": arguments.network, "data.folder": arguments.images}
    return [
        *(f"--config.{field}={value}" for field, value in said.items() if value),
        f"--config.network.weights={arguments.weights}",
        f"--config.budget={_asked_budget(arguments)}",
        f"--config.families={FAMILIES}",
        "--config.seeds=1",
        # Of images that are cut out the middle, so that frozen layers are computed once.
        "--config.data.views=1",
    ]


def _asked_budget(arguments: argparse.Namespace) -> float:
    return BUDGET if arguments.budget is None else arguments.budget


def _called(network: str, images: str | None) -> str:
    """A question's own name: of each network on each folder of images there is another."""
    from transfer_jax.folder.places import local
    from transfer_jax.plan.own_folder import plain_name

    folder = plain_name(local(images, "--images")) if images else ""
    return "_".join(filter(None, ["ask", network.rpartition(":")[2], folder]))[:100]


def _shorter_warmup(
    flags: list[str], overrides: list[str], say: "Callable[[str], None]"
) -> list[str]:
    """Of fewer steps than the config's, those in which the rate rises are fewer in proportion."""
    from transfer_jax.plan.config import load_config

    given = [text.removeprefix(STEPS) for text in overrides if text.startswith(STEPS)][-1]
    usual = load_config(CONFIG, []).steps
    is_said = any(text.startswith(WARMUP) for text in overrides)
    if is_said or not given.isdecimal() or int(given) >= usual:
        return []
    many = load_config(CONFIG, [*flags, *overrides, f"{STEPS}{MANY_STEPS}"])
    warmup = getattr(many.optimizer, "warmup_steps", 0)
    fewer = warmup * int(given) // usual
    if fewer == warmup:
        return []
    say(f"The rate rises in {fewer} of {given} steps, as in {warmup} of {usual}; {WARMUP}N says it")
    return [f"{WARMUP}{fewer}"]


def _recognised(weights: str, say: "Callable[[str], None]") -> str:
    from transfer_jax.folder.places import local
    from transfer_jax.models.weights.recognition import recognised

    first, *others = recognised(local(weights, "--weights"))
    also = f"; {' and '.join(others)} would fit too, say --network if it is that" if others else ""
    say(f"{weights} holds {first}{also}")
    return first


def _budget(text: str) -> float:
    """A budget above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= MOST:
        raise argparse.ArgumentTypeError(
            f"is '{text}'; allowed: full fine-tunings, above 0 and up to {MOST:,}, such as 2"
        )
    return found
