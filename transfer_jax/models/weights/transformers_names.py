"""What the library transformers calls the leaves of our networks."""

from collections.abc import Iterable

from transfer_jax.models.weights.rules import Rules, numbered

QKV = ("query", "key", "value")


def resnet(_: Iterable[str]) -> Rules:
    """A ResNet: a convolution and its normalisation stand side by side."""

    def block(stage: int, i: int) -> str:
        return f"resnet.encoder.stages.{stage - 1}.layers.{i}."

    front, stem = r"layer(\d+)\.(\d+)\.", "resnet.embedder.embedder."
    return {
        r"conv1\.": lambda: f"{stem}convolution.",
        r"bn1\.": lambda: f"{stem}normalization.",
        front + r"conv(\d)\.": lambda s, i, k: f"{block(s, i)}layer.{k - 1}.convolution.",
        front + r"bn(\d)\.": lambda s, i, k: f"{block(s, i)}layer.{k - 1}.normalization.",
        front + r"downsample\.0\.": lambda *at: f"{block(*at)}shortcut.convolution.",
        front + r"downsample\.1\.": lambda *at: f"{block(*at)}shortcut.normalization.",
        r"fc\.": lambda: "classifier.1.",
    }


def vit(_: Iterable[str]) -> Rules:
    """A vision transformer as `save_pretrained` writes it."""
    block, front = "vit.encoder.layer.{}.".format, r"blocks\.(\d+)\."
    return {
        **_around_vit(),
        front + r"norm1\.": lambda i: f"{block(i)}layernorm_before.",
        front + r"norm2\.": lambda i: f"{block(i)}layernorm_after.",
        front + r"attn\.qkv\.": lambda i: tuple(f"{block(i)}attention.attention.{q}." for q in QKV),
        front + r"attn\.proj\.": lambda i: f"{block(i)}attention.output.dense.",
        front + r"mlp\.fc1\.": lambda i: f"{block(i)}intermediate.dense.",
        front + r"mlp\.fc2\.": lambda i: f"{block(i)}output.dense.",
    }


def vit_in_memory(_: Iterable[str]) -> Rules:
    """A vision transformer as the `state_dict` of transformers 5 has it."""
    block, front = "vit.layers.{}.".format, r"blocks\.(\d+)\."
    return {
        **_around_vit(),
        front + r"norm1\.": lambda i: f"{block(i)}layernorm_before.",
        front + r"norm2\.": lambda i: f"{block(i)}layernorm_after.",
        front + r"attn\.qkv\.": lambda i: tuple(f"{block(i)}attention.{q}_proj." for q in "qkv"),
        front + r"attn\.proj\.": lambda i: f"{block(i)}attention.o_proj.",
        front + r"mlp\.fc(\d)\.": lambda i, fc: f"{block(i)}mlp.fc{fc}.",
    }


def _around_vit() -> Rules:
    return {
        r"cls_token": lambda: "vit.embeddings.cls_token",
        r"pos_embed": lambda: "vit.embeddings.position_embeddings",
        r"patch_embed\.proj\.": lambda: "vit.embeddings.patch_embeddings.projection.",
        r"norm\.": lambda: "vit.layernorm.",
        r"head\.": lambda: "classifier.",
    }


def convnext(_: Iterable[str]) -> Rules:
    """A ConvNeXt."""

    def block(stage: int, i: int) -> str:
        return f"convnext.encoder.stages.{stage}.layers.{i}."

    front, down = r"stages\.(\d+)\.blocks\.(\d+)\.", "convnext.encoder.stages.{}.".format
    return {
        r"stem\.0\.": lambda: "convnext.embeddings.patch_embeddings.",
        r"stem\.1\.": lambda: "convnext.embeddings.layernorm.",
        r"stages\.(\d+)\.downsample\.(\d)\.": lambda s, k: f"{down(s)}downsampling_layer.{k}.",
        front + r"gamma": lambda *at: f"{block(*at)}layer_scale_parameter",
        front + r"conv_dw\.": lambda *at: f"{block(*at)}dwconv.",
        front + r"norm\.": lambda *at: f"{block(*at)}layernorm.",
        front + r"mlp\.fc(\d)\.": lambda s, i, fc: f"{block(s, i)}pwconv{fc}.",
        r"head\.norm\.": lambda: "convnext.layernorm.",
        r"head\.fc\.": lambda: "classifier.",
    }


def mobilenetv2(names: Iterable[str]) -> Rules:
    """A MobileNetV2: the stem holds the first block, and blocks are counted from the second."""
    number, _ = numbered(names)

    def block(*at: int) -> str:
        return f"mobilenet_v2.layer.{number(*at) - 1}."

    stem, last = "mobilenet_v2.conv_stem.", "mobilenet_v2.conv_1x1."
    first, other = r"blocks\.0\.0\.", r"blocks\.([1-9])\.(\d+)\."
    return {
        r"conv_stem\.": lambda: f"{stem}first_conv.convolution.",
        r"bn1\.": lambda: f"{stem}first_conv.normalization.",
        first + r"conv_dw\.": lambda: f"{stem}conv_3x3.convolution.",
        first + r"bn1\.": lambda: f"{stem}conv_3x3.normalization.",
        first + r"conv_pw\.": lambda: f"{stem}reduce_1x1.convolution.",
        first + r"bn2\.": lambda: f"{stem}reduce_1x1.normalization.",
        other + r"conv_pw\.": lambda *at: f"{block(*at)}expand_1x1.convolution.",
        other + r"bn1\.": lambda *at: f"{block(*at)}expand_1x1.normalization.",
        other + r"conv_dw\.": lambda *at: f"{block(*at)}conv_3x3.convolution.",
        other + r"bn2\.": lambda *at: f"{block(*at)}conv_3x3.normalization.",
        other + r"conv_pwl\.": lambda *at: f"{block(*at)}reduce_1x1.convolution.",
        other + r"bn3\.": lambda *at: f"{block(*at)}reduce_1x1.normalization.",
        r"conv_head\.": lambda: f"{last}convolution.",
        r"bn2\.": lambda: f"{last}normalization.",
        r"classifier\.": lambda: "classifier.",
    }
