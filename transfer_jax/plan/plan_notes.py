"""What is odd about a plan, though it can be carried out."""

from collections.abc import Iterable

from transfer_jax.engine.all_layers import FIXED_SHARE
from transfer_jax.engine.logistic import FIXED_STRENGTH
from transfer_jax.grid.pretrained import HEAD2TOE
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.weights.provenance import origin_of
from transfer_jax.models.weights.styles import styles_of
from transfer_jax.models.zoo import ZOO
from transfer_jax.models.zoo.origins import DEIT, HUGGING_FACE, TIMM, TORCHVISION
from transfer_jax.plan.network_sight import wanted
from transfer_jax.plan.plan import Plan


def plan_notes(plan: Plan) -> list[str]:
    """Lines about what a person may not have meant.

    Returns:
      A line for each task that has one class; one where nothing says how strong the L2 of probes is
      to be; and one where a pretrained network does not say what it wants to see, or where the
      names in its file leave open who trained it, and so what it wants to see.
    """
    names = plan.recipe.images.class_names
    silent = [
        f"Note: network {plan.config.network.name} does not say what it wants to see: images are "
        "less the mean of those to train on; a Preprocessing says what it was trained on"
    ]
    notes = [] if plan.recipe.validation_examples else _fixed(plan)
    notes += silent if plan.is_pretrained and not plan.recipe.preprocessing else []
    notes += _seen_otherwise(plan)
    return notes + [
        f"Note: task {task.name} of split {split.name} has one class, {names[task.classes[0]]}: "
        "there is nothing to tell apart, so its accuracy is 100%"
        for split in plan.splits.values()
        for task in split.tasks
        if len(task.classes) == 1
    ]


def _fixed(plan: Plan) -> list[str]:
    """What is fixed of linear heads, where there are no validation images to choose it by."""
    variants = {cut.variant.name for c in plan.probes for cut in c.cuts if cut.variant}
    keeps = f", and head2toe keeps {FIXED_SHARE:.0%} of the features"
    found = (
        "Note: there are no validation images, so all linear heads have an L2 of "
        f"{FIXED_STRENGTH:g}{keeps if HEAD2TOE in variants else ''}; "
        "data.validation_share holds some out"
    )
    return [found] if variants else []


def _seen_otherwise(plan: Plan) -> list[str]:
    """What a network sees as one trainer's, and as another's, where names do not tell them."""
    fields, name, seen = plan.config.network, plan.config.network.name, plan.recipe.preprocessing
    is_open = plan.is_pretrained and getattr(fields, "origin", "") == TIMM
    if not is_open or name not in ZOO or seen is None:
        return []
    told = {style.origin for style in styles_of(name)}
    found = origin_of(fields.weights, name)
    if found is None and TORCHVISION not in told and (other := _of(name, TORCHVISION, seen)):
        return [
            f"Note: the names in {fields.weights} are timm's and torchvision's; {name} sees images "
            f"as timm's: {seen.interpolation}, {seen.crop_fraction:.3g} of the side cut out; "
            f"network.origin=torchvision sees them {other.interpolation}, {other.crop_fraction:.3g}"
        ]
    if found in (None, HUGGING_FACE) and (other := _of(name, DEIT, seen)):
        return [
            f"Note: the names in {fields.weights} are those of several trainers; {name} sees "
            f"images as {found or TIMM}'s: less {seen.mean[0]:g}, by {seen.deviation[0]:g}; those "
            f"of DeiT, DINO and MAE, network.origin=deit, see them less {_listed(other.mean)}, by "
            f"{_listed(other.deviation)}"
        ]
    return []


def _of(name: str, origin: str, seen: Preprocessing) -> Preprocessing | None:
    """What the network of another trainer sees, if that is something else."""
    try:
        other = wanted(ZOO[name](num_outputs=1, origin=origin))
    except ValueError:  # There is none.
        return None
    return None if other == seen else other


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
