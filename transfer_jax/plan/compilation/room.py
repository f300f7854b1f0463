"""What to change in a config where a device has no room for a program."""

from jax.sharding import Mesh

from transfer_jax.engine.mesh import DATA
from transfer_jax.plan.accelerators import Accelerator
from transfer_jax.plan.compilation.compiled import Compiled
from transfer_jax.plan.plan import Plan

GIB = 2**30


def room_note(plan: Plan, name: str, mesh: Mesh, found: Compiled, chip: Accelerator) -> str:
    """A sentence about a program that does not fit: what would be enough, by proportion.

    What a column holds stays as it is when its batch is divided, or made smaller; temporaries are
    activations and gradients for the most part, and are taken to fall as the batch does, or as
    their items do.

    Args:
      name: of the program.
      mesh: the devices that it was compiled for.
      found: what it needs.

    Returns:
      The sentence.
    """
    room = chip.memory
    lead = f"{name} does not fit: it takes {_gib(found.memory)} of {_gib(room)} GiB"
    held = found.memory - found.temporaries
    if held > room:
        return (
            f"{lead}, and what its networks hold takes {_gib(held)} of these, which no smaller "
            "batch changes: choose fewer --config.cuts or --config.treatments"
        )
    ways = [*_divided(plan, mesh), *_narrow(plan), *_smaller(plan)]
    enough = [(way, held + found.temporaries / by) for way, by in ways]
    fitting = [f"{way} (about {_gib(size)} GiB)" for way, size in enough if size <= room]
    if fitting:
        return f"{lead}; by proportion {' or '.join(fitting[:3])} would be enough"
    least = min((size for _, size in enough), default=found.memory)
    return (
        f"{lead}, and by proportion about {_gib(least)} with all of a smaller batch, chips that "
        "share it and bfloat16 one by one: join them, or choose fewer --config.cuts"
    )


def _divided(plan: Plan, mesh: Mesh) -> list[tuple[str, float]]:
    """More chips share a column's batch."""
    now, devices, batch = mesh.shape[DATA], mesh.devices.size, plan.recipe.batch_size
    return [
        (f"--config.devices_per_column={data}", data / now)
        for data in range(now + 1, devices + 1)
        if devices % data == 0 and batch % data == 0
    ]


def _narrow(plan: Plan) -> list[tuple[str, float]]:
    """Layers compute in half as many bytes."""
    return [] if plan.config.precision == "bfloat16" else [("--config.precision=bfloat16", 2.0)]


def _smaller(plan: Plan) -> list[tuple[str, float]]:
    """A smaller batch, which is another experiment."""
    batch = plan.recipe.batch_size
    return [(f"--config.batch_size={batch // by}", float(by)) for by in (2, 4) if batch % by == 0]


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"
