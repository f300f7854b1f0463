"""The size that images become where a config leaves it to the network."""

from dataclasses import replace

from transfer_jax.data.manifest import Manifest, RecordsError
from transfer_jax.data.sources import needs_preparing
from transfer_jax.folder.places import local
from transfer_jax.plan.components import build_network
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.network_sight import wanted
from transfer_jax.plan.schema import Config


def with_own_sizes(config: Config) -> Config:
    """A config that says what its images become, in numbers.

    Args:
      config: a config; `data.form.size` may be 0, the network's own.

    Returns:
      The config. Where the size was 0 it is the network's, or that of images that are prepared
      already, and the network's share of it is cut out. A pretrained network's images are scaled
      as it wants.

    Raises:
      ConfigError: the network does not say what it wants to see.
    """
    data, form = config.data, config.data.form
    if not needs_preparing(data.source) or (form.size and not config.network.weights):
        return config
    known = wanted(build_network(config, 1))
    if form.size and known is None:
        return config
    if known is None:
        raise ConfigError(
            f"data.form.size is 0, the network's own, but network {config.network.name} does not "
            "say what it wants to see; allowed: a number of pixels"
        )
    form = replace(form, interpolation=form.interpolation or known.interpolation)
    if form.size:
        return replace(config, data=replace(data, form=form))
    size = _prepared_size(data.folder) or known.prepared_size
    crop = data.crop or (known.size if known.size < size else 0)
    return replace(config, data=replace(data, form=replace(form, size=size), crop=crop))


def _prepared_size(folder: str) -> int:
    """Height of the images in a prepared folder; 0 where there is none."""
    try:
        return Manifest.read(local(folder, "data.folder"), whole=False).shape[0]
    except RecordsError:
        return 0
