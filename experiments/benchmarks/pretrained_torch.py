"""Tuning timm's networks in PyTorch, condition by condition; statistics are held."""

from typing import Any

import timm  # pyright: ignore[reportMissingImports]
import torch  # pyright: ignore[reportMissingImports]
from grids import Step
from pretrained_grid import PretrainedGrid
from torch import nn  # pyright: ignore[reportMissingImports]


def layers_of(name: str) -> list[nn.Module]:
    """timm's modules, cut where ours are."""
    model: Any = timm.create_model(name, num_classes=5)
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
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(grid.batch, 3, grid.size, grid.size).to(memory_format=layout)
    y = torch.arange(grid.batch) % 5
    steps = [_condition(grid.name, depth, x, y, layout, cached) for depth in grid.depths]

    def advance() -> None:
        for step in steps:
            step()

    return advance


def _condition(
    name: str,
    depth: int,
    x: torch.Tensor,
    y: torch.Tensor,
    layout: torch.memory_format,
    cached: bool,
) -> Step:
    network = nn.Sequential(*layers_of(name)).to(memory_format=layout).eval()  # pyright: ignore
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
