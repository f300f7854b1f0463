"""Names and shapes of the library transformers, as its modules are built; counters left out."""

Shapes = dict[str, tuple[int, ...]]
NORM = ("weight", "bias", "running_mean", "running_var")


def _norm(name: str, size: int) -> Shapes:
    return {f"{name}.{leaf}": (size,) for leaf in NORM}


def _conv_norm(name: str, out: int, into: int, size: int) -> Shapes:
    shape = (out, into, size, size)
    return {f"{name}.convolution.weight": shape, **_norm(f"{name}.normalization", out)}


def _linear(name: str, out: int, *into: int) -> Shapes:
    return {f"{name}.weight": (out, *into), f"{name}.bias": (out,)}


def resnet18(classes: int) -> Shapes:
    found = _conv_norm("resnet.embedder.embedder", 64, 3, 7)
    into = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for layer in range(2):
            block = f"resnet.encoder.stages.{stage}.layers.{layer}"
            if into != width:
                found |= _conv_norm(f"{block}.shortcut", width, into, 1)
            found |= _conv_norm(f"{block}.layer.0", width, into, 3)
            found |= _conv_norm(f"{block}.layer.1", width, width, 3)
            into = width
    return found | _linear("classifier.1", classes, 512)


def vit_tiny_patch16_224(classes: int) -> Shapes:
    front = "vit.embeddings"
    found = {f"{front}.cls_token": (1, 1, 192), f"{front}.position_embeddings": (1, 197, 192)}
    found |= _linear(f"{front}.patch_embeddings.projection", 192, 3, 16, 16)
    for layer in range(12):
        block = f"vit.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            found |= _linear(f"{block}.attention.attention.{part}", 192, 192)
        found |= _linear(f"{block}.attention.output.dense", 192, 192)
        found |= _linear(f"{block}.intermediate.dense", 768, 192)
        found |= _linear(f"{block}.output.dense", 192, 768)
        for norm in ("layernorm_before", "layernorm_after"):
            found |= _linear(f"{block}.{norm}", 192)
    return found | _linear("vit.layernorm", 192) | _linear("classifier", classes, 192)


def convnext_tiny(classes: int) -> Shapes:
    found = _linear("convnext.embeddings.patch_embeddings", 96, 3, 4, 4)
    found |= _linear("convnext.embeddings.layernorm", 96)
    into = 96
    for stage, (depth, width) in enumerate(zip((3, 3, 9, 3), (96, 192, 384, 768), strict=True)):
        front = f"convnext.encoder.stages.{stage}"
        if stage:
            found |= _linear(f"{front}.downsampling_layer.0", into)
            found |= _linear(f"{front}.downsampling_layer.1", width, into, 2, 2)
        for layer in range(depth):
            block = f"{front}.layers.{layer}"
            found |= {f"{block}.layer_scale_parameter": (width,)}
            found |= _linear(f"{block}.dwconv", width, 1, 7, 7) | _linear(
                f"{block}.layernorm", width
            )
            found |= _linear(f"{block}.pwconv1", 4 * width, width)
            found |= _linear(f"{block}.pwconv2", width, 4 * width)
        into = width
    return found | _linear("convnext.layernorm", 768) | _linear("classifier", classes, 768)


# Of each block but the first: what enters it, how wide it is within, and what leaves it.
MOBILE = [
    (16, 24), (24, 24), (24, 32), (32, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64),
    (64, 96), (96, 96), (96, 96), (96, 160), (160, 160), (160, 160), (160, 320),
]  # fmt: skip


def mobilenetv2_100(classes: int) -> Shapes:
    stem = "mobilenet_v2.conv_stem"
    found = _conv_norm(f"{stem}.first_conv", 32, 3, 3)
    found |= _conv_norm(f"{stem}.conv_3x3", 32, 1, 3) | _conv_norm(f"{stem}.reduce_1x1", 16, 32, 1)
    for layer, (into, out) in enumerate(MOBILE):
        block = f"mobilenet_v2.layer.{layer}"
        found |= _conv_norm(f"{block}.expand_1x1", 6 * into, into, 1)
        found |= _conv_norm(f"{block}.conv_3x3", 6 * into, 1, 3)
        found |= _conv_norm(f"{block}.reduce_1x1", out, 6 * into, 1)
    last = _conv_norm("mobilenet_v2.conv_1x1", 1280, 320, 1)
    return found | last | _linear("classifier", classes, 1280)
