"""What torchvision calls the leaves of our networks; those of a ResNet it calls as timm does."""

from collections.abc import Iterable

from transfer_jax.models.weights.leaf_names import Foreign
from transfer_jax.models.weights.rules import Rules, numbered


def vit(_: Iterable[str]) -> Rules:
    """A vision transformer."""
    block = "encoder.layers.encoder_layer_{}.".format
    return {
        r"cls_token": lambda: "class_token",
        r"pos_embed": lambda: "encoder.pos_embedding",
        r"patch_embed\.proj\.": lambda: "conv_proj.",
        r"blocks\.(\d+)\.norm(\d)\.": lambda i, norm: f"{block(i)}ln_{norm}.",
        r"blocks\.(\d+)\.attn\.qkv\.": lambda i: f"{block(i)}self_attention.in_proj_",
        r"blocks\.(\d+)\.attn\.proj\.": lambda i: f"{block(i)}self_attention.out_proj.",
        r"blocks\.(\d+)\.mlp\.fc(\d)\.": lambda i, fc: f"{block(i)}mlp.{3 * (fc - 1)}.",
        r"norm\.": lambda: "encoder.ln.",
        r"head\.": lambda: "heads.head.",
    }


def vit_of_2022(names: Iterable[str]) -> Rules:
    """A vision transformer in the files that torchvision 0.12 wrote and later ones still offer."""
    older = r"blocks\.(\d+)\.mlp\.fc(\d)\."
    return {
        older: lambda i, fc: f"encoder.layers.encoder_layer_{i}.mlp.linear_{fc}.",
        **{pattern: make for pattern, make in vit(names).items() if pattern != older},
    }


def convnext(_: Iterable[str]) -> Rules:
    """A ConvNeXt: stages and what leads to them take turns."""

    def block(stage: int, i: int) -> str:
        return f"features.{2 * stage + 1}.{i}."

    front = r"stages\.(\d+)\.blocks\.(\d+)\."
    return {
        r"stem\.(\d)\.": lambda i: f"features.0.{i}.",
        r"stages\.(\d+)\.downsample\.(\d)\.": lambda stage, i: f"features.{2 * stage}.{i}.",
        front + r"gamma": lambda *at: Foreign((f"{block(*at)}layer_scale",), 2),
        front + r"conv_dw\.": lambda *at: f"{block(*at)}block.0.",
        front + r"norm\.": lambda *at: f"{block(*at)}block.2.",
        front + r"mlp\.fc(\d)\.": lambda s, i, fc: f"{block(s, i)}block.{2 * fc + 1}.",
        r"head\.norm\.": lambda: "classifier.0.",
        r"head\.fc\.": lambda: "classifier.2.",
    }


def mobilenetv2(names: Iterable[str]) -> Rules:
    """A MobileNetV2: the first block has no convolution that widens."""
    number, blocks = numbered(names)

    def conv(*at: int) -> str:
        return f"features.{number(*at) + 1}.conv."

    first, other = r"blocks\.(0)\.(\d+)\.", r"blocks\.([1-9])\.(\d+)\."
    return {
        r"conv_stem\.": lambda: "features.0.0.",
        r"bn1\.": lambda: "features.0.1.",
        first + r"conv_dw\.": lambda *at: f"{conv(*at)}0.0.",
        first + r"bn1\.": lambda *at: f"{conv(*at)}0.1.",
        first + r"conv_pw\.": lambda *at: f"{conv(*at)}1.",
        first + r"bn2\.": lambda *at: f"{conv(*at)}2.",
        other + r"conv_pw\.": lambda *at: f"{conv(*at)}0.0.",
        other + r"bn1\.": lambda *at: f"{conv(*at)}0.1.",
        other + r"conv_dw\.": lambda *at: f"{conv(*at)}1.0.",
        other + r"bn2\.": lambda *at: f"{conv(*at)}1.1.",
        other + r"conv_pwl\.": lambda *at: f"{conv(*at)}2.",
        other + r"bn3\.": lambda *at: f"{conv(*at)}3.",
        r"conv_head\.": lambda: f"features.{blocks + 1}.0.",
        r"bn2\.": lambda: f"features.{blocks + 1}.1.",
        r"classifier\.": lambda: "classifier.1.",
    }
