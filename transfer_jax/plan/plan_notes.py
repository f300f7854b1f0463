"""What is odd about a plan, though it can be carried out."""

from transfer_jax.engine.logistic import FIXED_STRENGTH
from transfer_jax.plan.plan import Plan


def plan_notes(plan: Plan) -> list[str]:
    """Lines about what a person may not have meant.

    Returns:
      A line for each task that has one class; one where nothing says how strong the L2 of probes is
      to be; and one where a pretrained network does not say what it wants to see.
    """
    names = plan.recipe.images.class_names
    fixed = [
        f"Note: there are no validation images, so all probes have an L2 of {FIXED_STRENGTH:g}; "
        "data.validation_share holds some out"
    ]
    silent = [
        f"Note: network {plan.config.network.name} does not say what it wants to see: images are "
        "less the mean of those to train on; a Preprocessing says what it was trained on"
    ]
    notes = fixed if plan.probes and not plan.recipe.validation_examples else []
    notes += silent if plan.is_pretrained and not plan.recipe.preprocessing else []
    return notes + [
        f"Note: task {task.name} of split {split.name} has one class, {names[task.classes[0]]}: "
        "there is nothing to tell apart, so its accuracy is 100%"
        for split in plan.splits.values()
        for task in split.tasks
        if len(task.classes) == 1
    ]
