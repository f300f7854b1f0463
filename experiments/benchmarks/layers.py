"""Each layer shape by each lowering, forward and with its backward pass, in GFLOP/s.

    pip install -e '.[bench]' && python experiments/benchmarks/layers.py

The lowerings are timed in turn within one run, beside the machine's matrix product and, where it
is installed, PyTorch's convolution (channels last). GFLOP/s are those of the plain convolution,
also where a lowering needs fewer operations. `choose_lowering` holds what this table says.
"""

import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from timing import arguments, in_turn, show, write

from transfer_jax.models.convolution import LOWERINGS, choose_lowering, convolve

# Channels in, channels out, pixels a side, kernel, stride, padding; batch 64.
CONVNET = [
    (3, 32, 32, 3, 1, 1),
    (32, 64, 16, 3, 1, 1),
    (64, 64, 8, 3, 1, 1),
    (64, 128, 8, 3, 1, 1),
]
# The default config's, batch 32.
DEFAULT = [(1, 8, 28, 5, 2, 2), (8, 16, 7, 3, 1, 1), (16, 24, 7, 3, 1, 1), (24, 24, 7, 3, 1, 1)]
# One group of each; batch 8.
CAFFENET = [
    (3, 96, 227, 11, 4, 0),
    (48, 128, 27, 5, 1, 2),
    (256, 384, 13, 3, 1, 1),
    (192, 192, 13, 3, 1, 1),
    (192, 128, 13, 3, 1, 1),
]
# Of the others one is for depthwise convolution, networks of which `pretrained.py` times, and one
# for GPUs, which `gpu_layers.py` times.
WHOLE = [own for own in LOWERINGS if own not in ("shifted", "space_to_depth")]
Shape = tuple[int, int, int, int, int, int]


def jax_rivals(shape: Shape, batch: int) -> dict[str, Callable[[], Any]]:
    channels, features, side, size, stride, pad = shape
    x = jax.random.normal(jax.random.key(0), (batch, side, side, channels))
    kernel = jax.random.normal(jax.random.key(1), (size, size, channels, features))
    rivals: dict[str, Callable[[], Any]] = {}
    for lowering in WHOLE:
        if lowering == "winograd" and (size, stride, pad) != (3, 1, 1):
            continue

        def forward(x: jax.Array, kernel: jax.Array, lowering: str = lowering) -> jax.Array:
            return convolve(x, kernel, stride, padding=pad, lowering=lowering)

        def both(x: jax.Array, kernel: jax.Array, forward: Any = forward) -> Any:
            out, back = jax.vjp(forward, x, kernel)
            return out, back(out)

        for name, fn in (("forward", jax.jit(forward)), ("both", jax.jit(both))):
            rivals[f"{lowering} {name}"] = lambda fn=fn: jax.block_until_ready(fn(x, kernel))
    return rivals


def torch_rivals(shape: Shape, batch: int) -> dict[str, Callable[[], Any]]:
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {}
    channels, features, side, size, stride, pad = shape
    layer = torch.nn.Conv2d(channels, features, size, stride, pad, bias=False)
    layer = layer.to(memory_format=torch.channels_last)  # pyright: ignore
    x = torch.randn(batch, channels, side, side).to(memory_format=torch.channels_last)
    x.requires_grad_(True)

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    def both() -> None:
        out = layer(x)
        out.backward(out.detach())

    return {"PyTorch forward": forward, "PyTorch both": both}


def peak(rounds: int) -> float:
    """GFLOP/s of a large matrix product."""
    a = jnp.ones((2048, 2048))
    product = jax.jit(jnp.dot)
    times = in_turn({"product": lambda: jax.block_until_ready(product(a, a))}, rounds)
    return 2 * 2048**3 / 1e9 / statistics.median(times["product"])


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = []
    shapes = [(s, 64) for s in CONVNET] + [(s, 32) for s in DEFAULT] + [(s, 8) for s in CAFFENET]
    for shape, batch in shapes:
        channels, features, side, size, stride, pad = shape
        rivals = jax_rivals(shape, batch) | torch_rivals(shape, batch)
        times = in_turn(rivals, options.rounds)
        out_side = (side + 2 * pad - size) // stride + 1
        work = 2 * batch * out_side**2 * size**2 * channels * features / 1e9
        chosen = choose_lowering((size, size, channels, features), stride, pad, "float32")
        row: dict[str, Any] = {
            "in, out, side, kernel": f"{channels}, {features}, {side}, {size}/{stride}",
            "batch": batch,
        }
        for name in (*WHOLE, "PyTorch"):
            found = [times.get(f"{name} {part}") for part in ("forward", "both")]
            shown = [
                f"{factor * work / statistics.median(t):.0f}"
                for factor, t in zip((1, 3), found, strict=True)
                if t
            ]
            row[name + ("*" if name == chosen else "")] = " / ".join(shown)
        row = {key.rstrip("*"): f"*{v}" if key.endswith("*") else v for key, v in row.items()}
        rows.append(row)
    product = peak(options.rounds)
    title = f"GFLOP/s forward / with backward; * is chosen; matrix product {product:.0f}"
    show(title, rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
