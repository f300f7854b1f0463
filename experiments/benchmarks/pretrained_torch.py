"""Using timm's networks in PyTorch, condition by condition."""

from typing import Any

import timm  # pyright: ignore[reportMissingImports]
import torch  # pyright: ignore[reportMissingImports]
from grids import Step
from pretrained_grid import CLASSES, PretrainedGrid
from pretrained_probes import ProbeImages, regressions
from torch import nn  # pyright: ignore[reportMissingImports]


def layers_of(name: str) -> list[nn.Module]:
    """timm's modules, cut where ours are."""
    model: Any = timm.create_model(name, num_classes=CLASSES)
    if name.startswith("resnet"):
        stem = nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)
        blocks = [b for s in (model.layer1, model.layer2, model.layer3, model.layer4) for b in s]
        return [stem, *blocks, nn.Sequential(model.global_pool, model.fc)]
    stem = nn.Sequential(model.conv_stem, model.bn1)
    last = nn.Sequential(model.conv_head, model.bn2)
    head = nn.Sequential(model.global_pool, model.classifier)
    return [stem, *(block for stage in model.blocks for block in stage), last, head]


def alone(grid: PretrainedGrid, *, channels_last: bool = False, cached: bool = False) -> Step:
    """Every condition a network of its own; `cached`: its frozen layers ran before."""
    return of_depths(grid, grid.depths, channels_last=channels_last, cached=cached)


def of_depths(
    grid: PretrainedGrid, depths: list[int], *, channels_last: bool = False, cached: bool = False
) -> Step:
    """A network for each number of frozen layers, one after the other."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(grid.batch, 3, grid.size, grid.size).to(memory_format=layout)
    y = torch.arange(grid.batch) % CLASSES
    steps = [_condition(grid, depth, x, y, layout, cached) for depth in depths]

    def advance() -> None:
        for step in steps:
            step()

    return advance


def _condition(
    grid: PretrainedGrid,
    depth: int,
    x: torch.Tensor,
    y: torch.Tensor,
    layout: torch.memory_format,
    cached: bool,
) -> Step:
    network = nn.Sequential(*layers_of(grid.name)).to(memory_format=layout)  # pyright: ignore
    network.train(grid.learns_statistics)
    trunk, rest = network[:depth].requires_grad_(False), network[depth:]
    optimizer = torch.optim.SGD(rest.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    with torch.no_grad():
        features = trunk(x)

    def step() -> None:
        optimizer.zero_grad()
        entered = features if cached else trunk(x)
        nn.functional.cross_entropy(rest(entered), y).backward()
        optimizer.step()

    return step


def probes(grid: PretrainedGrid, images: ProbeImages) -> Step:
    """Features of all cuts in one forward pass, channels last; scikit-learn's heads on them."""
    layers = [
        layer.to(memory_format=torch.channels_last).eval()  # pyright: ignore
        for layer in layers_of(grid.name)
    ]
    pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)  # channels last as it lies
    pixels = (pixels - 127.5) / 60

    def solve() -> None:
        parts: dict[int, list[Any]] = {n: [] for n in grid.cuts}
        with torch.inference_mode():
            for x in pixels.split(images.batch):
                for n, layer in enumerate(layers[: max(grid.cuts)], 1):
                    x = layer(x)
                    if n in parts:
                        parts[n].append(x.mean((2, 3)).numpy())
        regressions(parts, images)

    return solve
