"""Whose names a file of weights has: timm's, torchvision's, transformers', lukemelas's, ours."""

from dataclasses import dataclass, replace

from transfer_jax.models.layered import Variables
from transfer_jax.models.weights import lukemelas_names, torchvision_names, transformers_names
from transfer_jax.models.weights.leaf_names import Foreign, Keys, leaves_of, timm_name
from transfer_jax.models.weights.rules import Table, renamed
from transfer_jax.surgery.paths import join_keys


@dataclass(frozen=True)
class Style:
    """A way to call the leaves of a network.

    Attributes:
      name: its own.
      origin: whose weights have it, as networks of the zoo take it: that decides what they see.
      table: from timm's names to its own; None for timm's own.
      body: what stands before all names but the head's.
      bare: whether that is left out, as in files of the body alone.
      wrapper: what stands before every name, as wrappers of modules put it there.
      flax: whether leaves are called by where they stand here, and lie as they do here.
    """

    name: str
    origin: str
    table: Table | None = None
    body: str = ""
    bare: bool = False
    wrapper: str = ""
    flax: bool = False

    def is_head(self, name: str) -> bool:
        """Whether a name is that of a head which the network has not, such as a pooler's."""
        body = "" if self.bare else self.body
        return name.removeprefix(self.wrapper).startswith(f"{body}pooler.")


TIMM, FLAX = Style("timm", "timm"), Style("transfer_jax", "timm", flax=True)
# By the beginning of a network's name; timm's own come first, and those of `save_tree` last.
TABLES = {
    "resnet": [Style("transformers", "hf", transformers_names.resnet, "resnet.")],
    "vit": [
        Style("torchvision", "torchvision", torchvision_names.vit),
        Style("torchvision 0.12", "torchvision", torchvision_names.vit_of_2022),
        Style("transformers", "hf", transformers_names.vit, "vit."),
        Style("transformers 5 in memory", "hf", transformers_names.vit_in_memory, "vit."),
    ],
    "convnext": [
        Style("torchvision", "torchvision", torchvision_names.convnext),
        Style("transformers", "hf", transformers_names.convnext, "convnext."),
    ],
    "mobilenetv2": [
        Style("torchvision", "torchvision", torchvision_names.mobilenetv2),
        Style("transformers", "hf", transformers_names.mobilenetv2, "mobilenet_v2."),
    ],
    "efficientnet_lite": [Style("lukemelas", "lukemelas", lukemelas_names.efficientnet_lite)],
    "tf_efficientnet_lite": [Style("lukemelas", "lukemelas", lukemelas_names.efficientnet_lite)],
}


def styles_of(network: str) -> list[Style]:
    """The ways to call a network's leaves.

    Args:
      network: its name.

    Returns:
      The styles.

    Example:
      >>> [style.name for style in styles_of("convnext_tiny")]
      ['timm', 'torchvision', 'transformers', 'transfer_jax']
    """
    own = [style for start, known in TABLES.items() if network.startswith(start) for style in known]
    return [TIMM, *own, FLAX]


def names_in(style: Style, variables: Variables) -> dict[Keys, Foreign]:
    """How the leaves of a network lie in a file.

    Args:
      style: whose names.
      variables: the network's, or their shapes.

    Returns:
      Where a leaf stands here, to how it lies there.

    Raises:
      ValueError: the style has no name for a leaf, or one for two.

    Example:
      >>> names_in(TIMM, {"stem": {"params": {"conv1": {"kernel": 1}}}})
      {('stem', 'params', 'conv1', 'kernel'): Foreign(names=('conv1.weight',), ones=0, turned=True)}
    """
    timm = {keys: timm_name(keys) for keys in leaves_of(variables)}
    rules = style.table(timm.values()) if style.table else None
    found: dict[Keys, Foreign] = {}
    for keys, name in timm.items():
        if style.flax:
            foreign = Foreign((join_keys(keys),), turned=False)
        else:
            foreign = Foreign((name,)) if rules is None else renamed(name, rules)
        if foreign is None:
            raise ValueError(f"{name} has no name of {style.name}")
        body = style.body if style.bare else ""
        own = tuple(style.wrapper + name.removeprefix(body) for name in foreign.names)
        found[keys] = foreign._replace(names=own)
    if len({name for foreign in found.values() for name in foreign.names}) < len(found):
        raise ValueError(f"two leaves have one name of {style.name}")
    return found


def written(style: Style) -> Style:
    """The style of a whole network, where a file held the body alone.

    Args:
      style: the file's.

    Returns:
      The one to write.
    """
    return replace(style, bare=False)
