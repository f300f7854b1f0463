"""Images a second, and the share of a grid's step that waits for them.

    python experiments/benchmarks/input.py
    pip install -e '.[bench]'    # for PyTorch's DataLoader, too

On random JPEGs of ILSVRC's usual size: decoding and resizing them (what `prepare` does), reading
prepared records in batches of 256 (raw, and JPEG), and PyTorch's DataLoader reading the same
prepared records, one process each. Then a column of 14 narrow CaffeNets trained from the records by
the engine, and the share of its time that it waits for them; and the step of all 56, with a stream
beside it that gives as many images as a step sees: for one pipeline and for one a network.
"""

import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from grids import SPLIT, GridStep, caffenet_grid, optimizer
from PIL import Image
from timing import arguments, in_turn, ratio, show, write

from transfer_jax.data import image_set
from transfer_jax.data.assembly import assembled
from transfer_jax.data.decoding import ImageForm, decode
from transfer_jax.data.image_set import TRAIN, ImageSet
from transfer_jax.data.order import batch_order
from transfer_jax.data.originals.part import Original, Originals
from transfer_jax.data.prepared_part import Preparation, prepare_part
from transfer_jax.data.records import open_records
from transfer_jax.data.stream import BatchSource, stream
from transfer_jax.engine.columns import ColumnStart, column_inputs, column_order, initial_networks
from transfer_jax.engine.feeds import StreamFeed, evaluation_batches
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Split, Task
from transfer_jax.plan.running_fields import Reading

IMAGES, BATCH = 512, 256


def jpegs() -> list[bytes]:
    """Smooth random images of 500x375, about 100 kB each as ILSVRC's are."""
    generator, found = np.random.default_rng(0), []
    for _ in range(IMAGES):
        small = Image.fromarray(generator.integers(0, 255, (94, 125, 3), dtype=np.uint8))
        file = io.BytesIO()
        small.resize((500, 375), Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
        found.append(file.getvalue())
    return found


class Files:
    """JPEGs as a part of a dataset."""

    subset, inputs = TRAIN, ()

    def __init__(self, files: list[bytes]) -> None:
        self.files = files

    def read(self):
        """The images."""
        for i, content in enumerate(self.files):
            yield Original(f"{i}.JPEG", i % 2, content)


def prepared(files: list[bytes], encoding: str, folder: Path) -> ImageSet:
    """The JPEGs as records of 256x256."""
    settings = Preparation("benchmark", ImageForm(256), encoding)
    folder.mkdir()
    originals = Originals((Files(files),), ("a", "b"), {})
    made = [prepare_part(part, settings, folder, ("a", "b")) for part in originals.parts]
    manifest = assembled(originals, settings, folder, made)
    (folder / "dataset.json").write_text(manifest.to_json())
    return open_records(folder, stream=True)


def read_batches(images: ImageSet, count: int, reading: Reading) -> None:
    """Read batches of a random order, as training does."""
    order = batch_order(jax.random.key(0), np.arange(IMAGES), BATCH)
    for _ in stream(BatchSource(images, order, slice(None), count), reading):
        pass


def torch_batches(images: ImageSet, count: int, workers: int) -> None:
    """The same records in PyTorch's DataLoader."""
    import torch  # pyright: ignore

    class Records(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return BATCH * count

        def __getitem__(self, i: int) -> Any:
            stored: Any = images.images
            return torch.from_numpy(stored[i % IMAGES].copy())

    loader = torch.utils.data.DataLoader(Records(), BATCH, shuffle=True, num_workers=workers)
    for _ in loader:
        pass


def main() -> None:
    """Time the rivals in turn and print images a second."""
    given = arguments(__doc__).parse_args()
    files = jpegs()
    with tempfile.TemporaryDirectory() as folder:
        sets = {e: prepared(files, e, Path(folder) / e) for e in ("raw", "jpeg")}
        rivals: dict[str, Any] = {
            "decode and resize JPEGs": lambda: [decode(f, "a.JPEG", ImageForm(256)) for f in files]
        }
        for encoding, images in sets.items():
            rivals[f"Grain, {encoding}"] = lambda images=images: read_batches(images, 2, Reading())
        try:
            import torch  # noqa: F401  # pyright: ignore
        except ImportError:
            print("PyTorch is not installed: its DataLoader is left out")
        else:
            for encoding, images in sets.items():
                rivals[f"PyTorch, {encoding}"] = lambda images=images: torch_batches(images, 2, 0)
        times = in_turn(rivals, given.rounds)
        rows = [
            {
                "what": name,
                "images a second": IMAGES / float(np.median(own)),
                "time over Grain, raw": ratio(times, name, "Grain, raw"),
            }
            for name, own in times.items()
        ]
        show("Reading 512 images, one process", rows)
        waits = [streamed_column(sets["jpeg"], 20), *waiting(sets["jpeg"], given.rounds)]
    show("Narrow CaffeNets, batches of 16 from JPEG records", waits)
    write([*rows, *waits], given.json)


def streamed_column(images: ImageSet, steps: int) -> dict[str, Any]:
    """One column of 14 conditions, trained from disk by the engine: what of its time it waits."""
    grid, mesh = caffenet_grid(), column_mesh(1)
    split = Split(SPLIT.name, (Task("A", (0,)), Task("B", (1,))))
    is_test = np.arange(IMAGES) >= IMAGES - 2 * grid.batch
    images = replace(
        images, subset=np.where(is_test, image_set.TEST, image_set.TRAIN).astype(np.int8)
    )
    recipe = Recipe(images, None, None, grid.batch, grid.batch, grid.batch, steps, crop=grid.size)
    column = grid.columns[0]
    init = jax.jit(lambda key: grid.network.init(key, jnp.zeros((1, *recipe.network_shape))))
    base = init(jax.random.key(0))
    start = ColumnStart(
        initial_networks(column, grid.network.layer_names, init, base),
        base,
        column_inputs(column, split, recipe),
    )
    program = ColumnProgram(grid.network, column.cuts, optimizer(), crop=grid.size)
    compiled = CompiledProgram(program, mesh)
    orders = [column_order(column, split, recipe)]
    tests = [evaluation_batches(start.inputs)]
    feeds = [StreamFeed(images, orders, tests, mesh, Reading(ahead=4)) for _ in range(2)]
    compiled.run([start], feeds[0], 1, lambda *_: None)
    began = time.perf_counter()
    compiled.run([start], feeds[1], steps, lambda *_: None)
    whole = time.perf_counter() - began
    return {
        "what": "a column of 14, by the engine",
        "seconds a step": whole / steps,
        "share that waits": feeds[1].waited / whole,
    }


def waiting(images: ImageSet, steps: int) -> list[dict[str, Any]]:
    """The share of a step that waits for input, with one pipeline and with one a network."""
    grid = caffenet_grid()
    step, networks, rows = GridStep(grid), grid.conditions, []
    step()
    for pipelines in (1, networks):
        order = batch_order(jax.random.key(0), np.arange(IMAGES), grid.batch)
        sources = [BatchSource(images, order, slice(None), steps + 2) for _ in range(pipelines)]
        readers = [stream(source, Reading(threads=2, ahead=4)) for source in sources]
        for reader in readers:
            next(reader)
        began, waited = time.perf_counter(), 0.0
        for _ in range(steps):
            start = time.perf_counter()
            for reader in readers:
                next(reader)
            waited += time.perf_counter() - start
            step()
        whole = time.perf_counter() - began
        rows.append(
            {
                "what": f"{pipelines} pipeline{'s' * (pipelines > 1)} for {networks} networks",
                "seconds a step": whole / steps,
                "share that waits": waited / whole,
            }
        )
    return rows


if __name__ == "__main__":
    main()
