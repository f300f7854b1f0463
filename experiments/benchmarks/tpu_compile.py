"""The paper's grid and pretrained networks, compiled for TPUs on a machine that has none.

    JAX_PLATFORMS=cpu python experiments/benchmarks/tpu_compile.py --parts meshes scale

It needs `pip install -e '.[topology]'`. What is compiled is the step of the column with the most
networks, as the training loop calls it; numbers are of one chip and step. A CaffeNet column takes
minutes of a core, so parts can be named; without names all are compiled. In an environment with
JAX_EXEC_TIME_OPTIMIZATION_EFFORT=-1 the compiler tries no tiles and keeps no activations on the
chip, and takes a minute or two. `--tiny` compiles narrow networks, or small batches. It ends with 1
where columns talk, where a step computes more than the mathematics needs, where a chip has no room,
or where chips are not alike however many there are.
"""

import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from timing import arguments, show, write

from transfer_jax.engine.mesh import COLUMN, DATA
from transfer_jax.engine.step import PACKINGS
from transfer_jax.models.backend import made_for
from transfer_jax.models.weights.writing import write_weights
from transfer_jax.models.zoo import ZOO
from transfer_jax.plan.compilation.calls import Call, planned_calls
from transfer_jax.plan.compilation.collectives import told
from transfer_jax.plan.compilation.compiled import Compiled, compiled_call
from transfer_jax.plan.compilation.topologies import Topology, topology
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import make_plan

GIB, GB = 2**30, 1e9
CAFFENET, PRETRAINED = "imagenet_random", "pretrained"
TINY = {
    CAFFENET: {"network.width": 0.0625, "data.crop": 67, "batch_size": 32, "cuts": "(1,4,7)"},
    PRETRAINED: {"batch_size": 8},
}
NETWORKS = ("resnet50", "vit_base_patch16_224")
# The clip art has 96 pixels; what is compiled does not depend on what they show.
OWN_SIZE = {"data.enlarge": 3, "data.crop": 224}
LOW = {"precision": "bfloat16"}
# A transformer's norms and softmax are no products: a ViT has 1.022 of the least.
MOST_FLOP, ALIKE = 1.03, 1.01


@dataclasses.dataclass(frozen=True)
class Case:
    """A step that is compiled: of a config with some fields, for some chips."""

    name: str
    chips: str
    fields: dict[str, Any]
    config: str = CAFFENET


def meshes() -> list[Case]:
    """A column on one chip, and on four that share its batch, in both precisions."""
    return [
        Case(f"{4} x {data}, {precision}", chips, {"precision": precision, **shared(data)})
        for chips, data in (("v5e:2x2", 1), ("v5e:4x4", 4))
        for precision in ("float32", "bfloat16")
    ]


def shared(data: int) -> dict[str, Any]:
    """So many chips share a column's batch."""
    return {"devices_per_column": data}


def packings() -> list[Case]:
    """Conditions written out, or mapped over."""
    return [Case(name, "v5e:2x2", {**LOW, **shared(1), "packing": name}) for name in PACKINGS]


def chips() -> list[Case]:
    """The same column on one chip of each kind."""
    names = ("v4:2x2x1", "v5e:2x2", "v5p:2x2x1", "v6e:2x2")
    return [Case(name, name, {**LOW, **shared(1)}) for name in names]


def scale() -> list[Case]:
    """As many columns as chips, from 1 to 256."""
    fields = {**LOW, **shared(1), "seeds": 16}
    return [Case(f"{count} chips", f"v5e-{count}", fields) for count in (1, 4, 16, 64, 256)]


def hosts() -> list[Case]:
    """What `transfer-jax launch` asks for, of several machines; and several slices."""
    names = ("v5e-8", "v5e-16", "v6e-16", "v4-32", "2xv5e:4x4", "4xv5e:4x4")
    return [Case(name, name, {**LOW, **shared(4)}) for name in names]


def pretrained() -> list[Case]:
    """The default ways to use a pretrained network, at four cuts, on its own size of images."""
    return [
        Case(f"{name}, {precision}", "v5e:2x2",
             {"network.name": name, "precision": precision, **OWN_SIZE}, PRETRAINED)
        for name in NETWORKS
        for precision in ("float32", "bfloat16")
    ]  # fmt: skip


PARTS = {part.__name__: part for part in (meshes, packings, chips, scale, hosts, pretrained)}


def fresh_weights(name: str, folder: Path) -> Path:
    """A file of random weights: what is compiled depends on their shapes only."""
    network, path = ZOO[name](1000), folder / f"{name}.safetensors"
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    write_weights(zeros, name, "timm", path)
    return path


def compiled(case: Case, tiny: bool, folder: Path) -> tuple[Topology, Call, Compiled, float]:
    """The step of the column with the most networks, compiled; and the seconds of all cores."""
    fields = {**(TINY[case.config] if tiny else {}), **case.fields}
    if case.config == PRETRAINED:
        fields["network.weights"] = fresh_weights(fields["network.name"], folder)
    overrides = [f"--config.{field}={value}" for field, value in fields.items()]
    plan, asked = make_plan(load_config(case.config, overrides)), topology(case.chips)
    with made_for(asked.platform):
        calls = planned_calls(plan, asked.devices())
        steps = [call for call in calls if call.name.endswith(": step")]
        call = max(steps, key=lambda call: call.least * call.mesh.shape[DATA])
        began = time.process_time()
        found, _ = compiled_call(call.fn, call.arguments, call.mesh)
    return asked, call, found, time.process_time() - began


def row(
    case: Case, asked: Topology, call: Call, found: Compiled, core_seconds: float
) -> dict[str, Any]:
    """What a step takes of one chip, and how long at least."""
    precision, chip = case.fields["precision"], asked.chip
    known = {
        "TFLOP": found.flop / 1e12,
        "over least": found.flop / call.least,
        "moved, GB": found.moved / GB,
        "arithmetic, ms": 1e3 * found.arithmetic_seconds(chip, precision),
        "memory, ms": 1e3 * found.memory_seconds(chip),
    }
    return {
        "case": case.name,
        "columns x data": f"{call.mesh.shape[COLUMN]} x {call.mesh.shape[DATA]}",
        "GiB": found.memory / GIB,
        "of": chip.memory / GIB,
        **(known if found.has_room else dict.fromkeys(known, "no room")),
        "chips talk": told(found.collectives or {}),
        "machines": machines(call),
        "compiled, s": found.seconds,
        "of cores, s": core_seconds,
    }


def machines(call: Call) -> str:
    """How many there are, and how many each column's chips lie in; and slices, if several."""
    told = []
    for name, attribute in (("slices", "slice_index"), ("", "process_index")):
        # A chip of a topology that is one slice has no number of a slice.
        rows = [{getattr(chip, attribute, 0) for chip in own} for own in call.mesh.devices]
        every = len(set().union(*rows))
        if every > 1 or not name:
            told.append(f"{every} {name}".strip() + f", {max(map(len, rows))} a column")
    return "; ".join(reversed(told))


def broken(rows: Sequence[dict[str, Any]], part: str) -> list[str]:
    """What does not hold, a line each."""
    told = []
    for own in rows:
        name = f"{part}, {own['case']}"
        if own["TFLOP"] == "no room" or own["GiB"] > own["of"]:
            told.append(f"{name}: {own['GiB']:.1f} of {own['of']:.2f} GiB")
        elif own["over least"] > MOST_FLOP:
            told.append(f"{name}: {own['over least']:.3f} of the least FLOP")
        if "column" in own["chips talk"]:
            told.append(f"{name}: columns talk: {own['chips talk']}")
    for what in ("GiB", "TFLOP") if part == "scale" else ():
        sizes = [own[what] for own in rows if own[what] != "no room"]
        if sizes and max(sizes) > ALIKE * min(sizes):
            told.append(f"{part}: {what} of a chip from {min(sizes):.3f} to {max(sizes):.3f}")
    return told


def main() -> None:
    parser = arguments(__doc__, rounds=None)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--cases", nargs="+", help="of these names only")
    parser.add_argument("--tiny", action="store_true", help="narrow networks and small batches")
    options = parser.parse_args()
    every, faults = [], []
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            cases = [c for c in PARTS[part]() if not options.cases or c.name in options.cases]
            rows = [row(c, *compiled(c, options.tiny, Path(folder))) for c in cases]
            if rows:
                show(f"{part}: one step, compiled", rows)
            every += [{"part": part, **own} for own in rows]
            faults += [] if options.tiny else broken(rows, part)
    write(every, options.json)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
