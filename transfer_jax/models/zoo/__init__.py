"""Networks that people have pretrained, under the names that timm gives them."""

from collections.abc import Callable

from transfer_jax.models.zoo.convnext import convnext_tiny
from transfer_jax.models.zoo.fresh import ZooStack
from transfer_jax.models.zoo.mobile import (
    efficientnet_lite0,
    mobilenetv2_100,
    tf_efficientnet_lite0,
)
from transfer_jax.models.zoo.resnet import resnet18, resnet34, resnet50
from transfer_jax.models.zoo.vit import (
    vit_base_patch16_224,
    vit_small_patch16_224,
    vit_tiny_patch16_224,
)

Make = Callable[..., ZooStack]
ZOO: dict[str, Make] = {
    make.__name__: make
    for make in (
        resnet18,
        resnet34,
        resnet50,
        vit_tiny_patch16_224,
        vit_small_patch16_224,
        vit_base_patch16_224,
        convnext_tiny,
        efficientnet_lite0,
        tf_efficientnet_lite0,
        mobilenetv2_100,
    )
}
