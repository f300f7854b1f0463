"""Gradients of EfficientNet-Lite0's depthwise convolutions, 96 pixels, batch 16, on a CPU.

    pip install -e '.[bench]' && taskset -c 0 python experiments/benchmarks/depthwise.py

Both gradients, of images and of kernel, on one core (`taskset`), as a device of a CPU computes
them. The rivals are timed in turn: ours, whose sums over pixels are products with ones; the same
with XLA's own sums; the whole gradient as XLA has it; and, where it is installed, PyTorch's, whose
images are channels last.
"""

from collections.abc import Callable
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
from timing import arguments, beside, in_turn, show, write

from transfer_jax.models import depthwise
from transfer_jax.models.convolution import convolve

BATCH = 16
# Kernel, stride, channels, pixels a side, and how many layers are so.
LAYERS = [
    (3, 1, 32, 48, 1), (3, 2, 96, 48, 1), (3, 1, 144, 24, 1), (5, 2, 144, 24, 1),
    (5, 1, 240, 12, 1), (3, 2, 240, 12, 1), (3, 1, 480, 6, 2), (5, 1, 480, 6, 1),
    (5, 1, 672, 6, 2), (5, 2, 672, 6, 1), (5, 1, 1152, 3, 3), (3, 1, 1152, 3, 1),
]  # fmt: skip
OURS, SUMS, XLA, TORCH = "transfer_jax", "with XLA's sums", "XLA", "PyTorch"
Layer = tuple[int, int, int, int, int]


def of_jax(layer: Layer, lowering: str) -> Callable[[], Any]:
    """The gradients of a layer, compiled."""
    size, stride, channels, side, _ = layer
    x = jax.random.normal(jax.random.key(0), (BATCH, side, side, channels))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 1, channels))

    def forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolve(x, kernel, stride, groups=channels, lowering=lowering)

    out = jax.jit(forward)(x, kernel)
    back = jax.jit(lambda x, kernel, out: jax.vjp(forward, x, kernel)[1](out))
    jax.block_until_ready(back(x, kernel, out))
    return lambda: jax.block_until_ready(back(x, kernel, out))


def of_torch(layer: Layer) -> dict[str, Callable[[], Any]]:
    """The same in PyTorch."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {}
    size, stride, channels, side, _ = layer
    own = torch.nn.Conv2d(
        channels, channels, size, stride, size // 2, groups=channels, bias=False
    ).to(memory_format=torch.channels_last)  # pyright: ignore
    x = torch.randn(BATCH, channels, side, side).to(memory_format=torch.channels_last)
    x.requires_grad_(True)
    out = own(x)
    given = torch.randn_like(out)
    return {TORCH: lambda: torch.autograd.grad(out, (x, own.weight), given, retain_graph=True)}


def rivals_of(layer: Layer) -> dict[str, Callable[[], Any]]:
    """What is timed of a layer."""
    rivals = {OURS: of_jax(layer, "shifted")}
    with mock.patch.object(depthwise, "over_pixels", lambda x: jnp.sum(x, (0, 1))):
        rivals[SUMS] = of_jax(layer, "shifted")
    return rivals | {XLA: of_jax(layer, "xla")} | of_torch(layer)


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows: list[dict[str, Any]] = []
    totals: dict[str, float] = {}
    for layer in LAYERS:
        size, stride, channels, side, count = layer
        times = in_turn(rivals_of(layer), options.rounds)
        row: dict[str, Any] = {
            "channels, side, kernel": f"{channels}, {side}, {size}/{stride}",
            "layers": count,
        }
        for own in beside(times, OURS):
            name, took = own["way"], own["median ms"]
            row |= {f"{name}, ms": took, f"{name}, ratio": own["ratio"]}
            totals[name] = totals.get(name, 0) + count * took
        rows.append(row)
    layers = sum(count for *_, count in LAYERS)
    whole: dict[str, Any] = {"channels, side, kernel": "all layers", "layers": layers}
    for name, took in totals.items():
        whole |= {f"{name}, ms": took, f"{name}, ratio": took / totals[OURS]}
    rows.append(whole)
    show(f"gradients of depthwise convolution, batch {BATCH}, one core", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
