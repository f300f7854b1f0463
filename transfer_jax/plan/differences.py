"""What tells one run from another: the fields that differ, and a digest of all that matter."""

from collections.abc import Collection, Mapping

from transfer_jax.data.identity import identity
from transfer_jax.data.image_set import ImageSet
from transfer_jax.folder.checkpoints import digest
from transfer_jax.plan.fields import Affects, flat
from transfer_jax.plan.pretrained import FIELD, weights_digest
from transfer_jax.plan.schema import Config

# Fields that a config did not have at first: with these values runs are what they were before.
LATER = {"cache.precision": "float32"}
# It says which networks are trained, and how far; each is the same with any.
BUDGET = "budget"


def differences(
    there: Config, here: Config, ignored: Collection[Affects] = (Affects.RUNNING,)
) -> list[str]:
    """The fields in which two configs differ.

    Args:
      there: a config.
      here: another.
      ignored: fields that affect one of these are not compared; by default those that change no
        number.

    Returns:
      A phrase for each, sorted by name.

    Example:
      >>> differences(Config(steps=5, bases="a"), Config(steps=6, cuts=(3,)))
      ['cuts is empty there, (3,) here', 'steps is 5 there, 6 here']
    """
    held, asked = (
        {field.name: field.value for field in flat(config) if field.affects not in ignored}
        for config in (there, here)
    )
    return [
        f"{name} is {_told(held, name)} there, {_told(asked, name)} here"
        for name in sorted(held.keys() | asked.keys())
        if held.get(name) != asked.get(name)
    ]


def _told(fields: Mapping[str, object], name: str) -> object:
    value = fields.get(name, "absent")
    return "empty" if value in ("", ()) else value


def fingerprint(config: Config, images: ImageSet) -> str:
    """What tells the networks of one run from those of another.

    Args:
      images: the dataset.

    Returns:
      A digest of all fields that change a number, of the images, and of pretrained weights.
    """
    held = {f.name: f.value for f in flat(config) if f.affects is not Affects.RUNNING}
    held.pop(BUDGET)
    fields = {n: value for n, value in held.items() if n not in LATER or value != LATER[n]}
    weights = {FIELD: found} if (found := weights_digest(config)) else {}
    return digest({"config": fields, "data": identity(images), **weights})
