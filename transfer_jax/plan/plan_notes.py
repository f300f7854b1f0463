"""What is odd about a plan, though it can be carried out."""

from transfer_jax.plan.plan import Plan


def plan_notes(plan: Plan) -> list[str]:
    """Lines about what a person may not have meant.

    Args:
      plan: the plan.

    Returns:
      A line for each task that has one class.
    """
    names = plan.recipe.images.class_names
    return [
        f"Note: task {task.name} of split {split.name} has one class, {names[task.classes[0]]}: "
        "there is nothing to tell apart, so its accuracy is 100%"
        for split in plan.splits.values()
        for task in split.tasks
        if len(task.classes) == 1
    ]
