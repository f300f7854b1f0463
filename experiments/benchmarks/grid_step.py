"""One training step of a whole column: together, or each condition alone.

    python experiments/benchmarks/grid_step.py

The baseline is what one would write without this package: a Flax network with `nn.Conv` and
`nn.max_pool`, `optax.multi_transform` for the freeze, one jitted step a condition, called one
after the other. Both train the ten conditions of a column of the default config, in turn within
one run; the table shows the median time of a step of all ten and the ratio, baseline / ours.
`--json FILE` writes the numbers, with versions and device.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from transfer_jax.conditions import columns
from transfer_jax.config import load_config
from transfer_jax.data.pipeline import ColumnInputs, DeviceImages, on_device
from transfer_jax.engine.columns import column_inputs, initial_networks
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, place, replicate
from transfer_jax.experiment import initialiser
from transfer_jax.plan import Plan, make_plan
from transfer_jax.workdir import versions

Step = Callable[[], Any]


class PlainConvNet(nn.Module):
    """The default ConvNet in idiomatic Flax."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(8, (5, 5), 2, padding=2, name="conv1")(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(16, (3, 3), padding=1, name="conv2")(x))
        x = nn.relu(nn.Conv(24, (3, 3), padding=1, name="conv3")(x))
        x = nn.relu(nn.Conv(24, (3, 3), padding=1, name="conv4")(x))
        x = nn.max_pool(x, (2, 2), (2, 2)).reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(64, name="fc5")(x))
        return nn.Dense(5, name="fc6")(x)


def alone(plan: Plan, frozen: int, images: DeviceImages, inputs: ColumnInputs) -> Step:
    """A step of one condition, its first layers frozen by multi_transform."""
    net = PlainConvNet()
    params = net.init(jax.random.key(0), images.images[:1] * 1.0)["params"]
    names = plan.network.layer_names
    labels = {name: "frozen" if i < frozen else "free" for i, name in enumerate(names)}
    tx = optax.multi_transform(
        {"free": plan.optimizer(), "frozen": optax.set_to_zero()}, lambda _: labels
    )

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = net.apply({"params": params}, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()  # pyright: ignore

    def step(params: Any, state: Any, batch: jax.Array) -> Any:
        x = (images.images[batch] - inputs.mean) * inputs.scale
        grads = jax.grad(loss)(params, x, inputs.ranks[images.labels[batch]])
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    compiled, batch = jax.jit(step, donate_argnums=(0, 1)), inputs.train_batches[0]
    held = [params, tx.init(params)]

    def advance() -> Any:
        held[:] = compiled(held[0], held[1], batch)
        return held[0]

    return advance


def together(plan: Plan) -> tuple[Step, list[Step]]:
    """A step of a column in one program, and the steps of its conditions alone."""
    column = max(columns(plan.grid), key=lambda column: len(column.cuts))
    base = initialiser(plan)(jax.random.key(0))
    networks = initial_networks(column, plan.network.layer_names, initialiser(plan), base)
    inputs = column_inputs(column, plan.splits[column.split], plan.recipe)
    compiled = CompiledProgram(plan.program(column.cuts), column_mesh(1))
    mesh, program = compiled.mesh, compiled.program
    images = replicate(on_device(plan.recipe.images), mesh)
    placed = place([inputs], mesh)
    trunk = place([{name: base[name] for name in program.trunk_layers}], mesh)
    held = [place([program.init(networks)], mesh)]

    def advance() -> Any:
        held[0], _ = compiled.train(held[0], trunk, images, placed)
        return held[0]

    local = on_device(plan.recipe.images)
    return advance, [alone(plan, cut.frozen_layers, local, inputs) for cut in column.cuts]


def milliseconds(steps: list[Step], repeats: int) -> float:
    """Mean time of one round of the steps, in ms."""
    began = time.perf_counter()
    outputs: list[Any] = []
    for _ in range(repeats):
        outputs = [step() for step in steps]
    jax.block_until_ready(outputs)
    return 1e3 * (time.perf_counter() - began) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a step of a column, together and alone.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    plan = make_plan(load_config("fashion_mnist"))
    ours, baseline = together(plan)
    rivals = {"each condition alone (Flax, multi_transform)": baseline, "one column": [ours]}
    for steps in rivals.values():
        milliseconds(steps, 3)
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(arguments.rounds):
        for name, steps in rivals.items():
            times[name].append(milliseconds(steps, 10))
    base, own = (np.asarray(found) for found in times.values())
    ratio = float(np.median(base / own))
    table = Table("way", "median ms", "ratio", title="one step of the ten conditions of a column")
    for name, found in times.items():
        shown = "1.00" if found is times["one column"] else f"{ratio:.2f}"
        table.add_row(name, f"{np.median(found):.1f}", shown)
    Console().print(table)
    if arguments.json:
        medians = {name: float(np.median(found)) for name, found in times.items()}
        numbers = {"median_ms": medians, "ratio": ratio, "versions": versions()}
        arguments.json.write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
