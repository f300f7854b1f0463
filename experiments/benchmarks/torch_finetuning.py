"""A plain fine-tuning of a timm network in PyTorch, start to end, as a person would write it.

    python torch_finetuning.py images.npz resnet18 weights.safetensors --steps 51 --frozen 0.5

It reads images, `subset` of each (0: training, 1: validation, 2: test) and labels; trains with
AdamW, warmed up and then annealed, images mirrored by chance, channels last; and prints as JSON how
long its steps took and how many validation and test images are right. Where there is a GPU it and
the images are on it. `--low` computes in bfloat16. `ask.py` times it.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import timm  # pyright: ignore[reportMissingImports]
import torch  # pyright: ignore[reportMissingImports]
from safetensors.torch import load_file  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

TRAINING, VALIDATION, TEST = range(3)
RATE, DECAY, WARM_UP = 5e-4, 0.05, 5
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Images as floats, channels last as they lie; labels; the subset of each."""
    held = np.load(path)
    pixels = torch.from_numpy(held["images"]).to(DEVICE).permute(0, 3, 1, 2).float()
    mean, scale = (
        torch.tensor(held[name], device=DEVICE).view(1, -1, 1, 1) for name in ("mean", "scale")
    )
    labels = torch.from_numpy(held["labels"]).to(DEVICE)
    return (pixels - mean) * scale, labels.long(), held["subset"]


def pretrained(name: str, weights: Path, classes: int, frozen: float) -> nn.Module:
    """The network, a share of its layers frozen: never the last one."""
    network = timm.create_model(name, num_classes=classes)
    network.load_state_dict(load_file(weights))
    layers = [part for part in network.modules() if any(True for _ in part.parameters(False))]
    for layer in layers[: min(round(frozen * len(layers)), len(layers) - 1)]:
        layer.requires_grad_(False)
    return network.to(DEVICE, memory_format=torch.channels_last)  # pyright: ignore


def train(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
    batch: int,
    low: bool = False,
) -> float:
    """Seconds of the steps."""
    free = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(free, RATE, weight_decay=DECAY)

    def factor(step: int) -> float:
        return min((step + 1) / WARM_UP, (1 + math.cos(math.pi * step / steps)) / 2)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    order = torch.cat(
        [torch.randperm(len(labels)) for _ in range(-(-steps * batch // len(labels)))]
    )
    network.train()
    began = time.perf_counter()
    for step in range(steps):
        own = order[step * batch : (step + 1) * batch]
        x, y = images[own], labels[own]
        x = torch.where(torch.rand(len(x), 1, 1, 1, device=DEVICE) < 0.5, x, x.flip(-1))
        optimizer.zero_grad()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=low):
            loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def right(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, batch: int, low: bool = False
) -> float:
    """The share of images whose class is found."""
    network.eval()
    with torch.inference_mode(), torch.autocast(DEVICE, torch.bfloat16, enabled=low):
        found = torch.cat([network(part).argmax(1) for part in images.split(batch)])
    return (found == labels).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("network")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--steps", type=int, default=51)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--frozen", type=float, default=0, help="share of layers")
    parser.add_argument("--low", action="store_true", help="in bfloat16")
    options = parser.parse_args()
    torch.manual_seed(0)
    # As JAX does on a GPU that has it.
    torch.backends.cuda.matmul.allow_tf32 = True
    images, labels, subset = read(options.images)
    classes = int(labels.max()) + 1
    network = pretrained(options.network, options.weights, classes, options.frozen)
    own = torch.from_numpy(subset == TRAINING)
    asked = options.batch, options.low
    seconds = train(network, images[own], labels[own], options.steps, *asked)
    told = {"seconds of steps": seconds}
    for name, part in (("validation", VALIDATION), ("test", TEST)):
        own = torch.from_numpy(subset == part)
        told[name] = right(network, images[own], labels[own], *asked)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
