"""Whether images are what a network wants to see."""

from transfer_jax.data.image_set import ImageSet
from transfer_jax.models.layered import Layered
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.schema import Config, Data


def wanted(network: Layered) -> Preprocessing | None:
    """What a network wants to see.

    Args:
      network: any network.

    Returns:
      Its preprocessing; None where it does not say.
    """
    return getattr(network, "preprocessing", None)


def checked_sight(config: Config, network: Layered, images: ImageSet) -> Preprocessing | None:
    """How pixels become what a pretrained network wants to see.

    Args:
      config: names the network.
      network: any layered network.
      images: the dataset, as its pixels are stored.

    Returns:
      The network's preprocessing; None where it is not pretrained, or does not say.

    Raises:
      ConfigError: images have a size or channels that the network does not take, or the config
        asks for another mean or scale than a pretrained network's.
    """
    known, name = wanted(network), config.network.name
    if known is None:
        return None
    height, width, channels = images.images.shape[1:]
    sides = (config.data.crop or height, config.data.crop or width)
    _check_size(known, sides, f"network {name}")
    if not config.network.weights:
        return None
    if channels not in (1, known.channels):
        raise ConfigError(
            f"the images have {channels} channels; allowed by the pretrained {name}: "
            f"{' or '.join(map(str, sorted({1, known.channels})))}"
        )
    for field in ("mean", "scale"):
        if (asked := getattr(config.data, field)) != getattr(Data(), field):
            raise ConfigError(
                f"data.{field} is {asked}, but network.weights names a pretrained network, whose "
                f"own mean and deviation are used; leave data.{field} out"
            )
    return known


def _check_size(known: Preprocessing, sides: tuple[int, int], lead: str) -> None:
    seen = "x".join(map(str, sides))
    how = "data.form.size, data.crop and data.enlarge say it"
    if min(sides) < known.least_size:
        raise ConfigError(
            f"{lead} sees {seen} pixels; allowed: sides of {known.least_size} or more, its stride; "
            f"{how}"
        )
    if not known.any_size and sides != (known.size, known.size):
        raise ConfigError(
            f"{lead} sees {seen} pixels; allowed: {known.size}x{known.size} alone; {how}"
        )
