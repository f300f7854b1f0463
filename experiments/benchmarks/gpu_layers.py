"""First layers of networks on a GPU: as they are, and with a square of pixels as one.

    pip install -e '.[cuda]' && python experiments/benchmarks/gpu_layers.py --json gpu_layers.json

Each is computed forward, and back to its kernel: images need no gradient. The time of either way is
the median over rounds, in turn. `choose_lowering` holds what this table says of GPUs.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from timing import arguments, in_turn, show, write

from transfer_jax.engine.gpu import repeat_to_the_bit
from transfer_jax.models.convolution import choose_lowering, convolve

# Channels out, pixels a side, kernel, stride, padding.
LAYERS = {
    "CaffeNet": (96, 227, 11, 4, 0),
    "ResNet": (64, 224, 7, 2, 3),
    "EfficientNet": (32, 224, 3, 2, 1),
    "ConvNeXt": (96, 224, 4, 4, 0),
}
WAYS = ("xla", "space_to_depth")
CALLS = 5


def rival(name: str, batch: int, dtype: str, lowering: str) -> Callable[[], Any]:
    """Some calls of a layer, one after the other, as steps are."""
    features, side, size, stride, pad = LAYERS[name]
    x = jax.random.normal(jax.random.key(0), (batch, side, side, 3), dtype)
    kernel = jax.random.normal(jax.random.key(1), (size, size, 3, features), dtype)

    def forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolve(x, kernel, stride, padding=pad, lowering=lowering)

    @jax.jit
    def both(x: jax.Array, kernel: jax.Array) -> Any:
        out, back = jax.vjp(partial(forward, x), kernel)
        return out, back(out)

    def calls() -> None:
        jax.block_until_ready([both(x, kernel) for _ in range(CALLS)])

    return calls


def row_of(name: str, batch: int, dtype: str, rounds: int) -> dict[str, Any]:
    """Times of one layer, and of one way over the other."""
    features, _, size, stride, pad = LAYERS[name]
    times = in_turn({way: rival(name, batch, dtype, way) for way in WAYS}, rounds)
    found = {way: statistics.median(own) / CALLS for way, own in times.items()}
    return {
        "layer": f"{name}, {size}/{stride}",
        "batch": batch,
        "precision": dtype,
        **{f"{way}, ms": 1e3 * own for way, own in found.items()},
        "first over second": found[WAYS[0]] / found[WAYS[1]],
        "chosen": choose_lowering((size, size, 3, features), stride, pad, dtype),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256])
    options = parser.parse_args()
    repeat_to_the_bit()
    rows = [
        row_of(name, batch, dtype, options.rounds)
        for name in LAYERS
        for batch in options.batch
        for dtype in ("bfloat16", "float32")
    ]
    show(f"First layers, on {jax.devices()[0].device_kind}", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
