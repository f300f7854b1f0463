"""The same grid in PyTorch: conditions one after the other, frozen layers without gradients."""

import torch  # pyright: ignore[reportMissingImports]
from grids import Grid, Step
from torch import nn  # pyright: ignore[reportMissingImports]


def convnet() -> list[nn.Module]:
    """The layers of the ConvNet."""
    layers: list[nn.Module] = []
    for channels, width, pools in ((3, 32, True), (32, 64, True), (64, 64, False), (64, 128, True)):
        parts = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        layers.append(nn.Sequential(*parts, *([nn.MaxPool2d(2)] if pools else [])))
    layers.append(nn.Sequential(nn.Flatten(), nn.Linear(2048, 256), nn.ReLU()))
    return [*layers, nn.Linear(256, 5)]


def caffenet() -> list[nn.Module]:
    """The layers of CaffeNet at a quarter of its width, without dropout, for 115x115 images."""
    pool = [nn.MaxPool2d(3, 2)]
    norm = [nn.LocalResponseNorm(5)]
    shapes = (
        (3, 24, 11, 4, 0, 1, pool + norm),
        (24, 64, 5, 1, 2, 2, pool + norm),
        (64, 96, 3, 1, 1, 1, []),
        (96, 96, 3, 1, 1, 2, []),
        (96, 64, 3, 1, 1, 2, pool),
    )
    layers: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(c, k, size, stride, pad, groups=groups), nn.ReLU(), *rest)
        for c, k, size, stride, pad, groups, rest in shapes
    ]
    layers.append(nn.Sequential(nn.Flatten(), nn.Linear(256, 1024), nn.ReLU()))
    layers.append(nn.Sequential(nn.Linear(1024, 1024), nn.ReLU()))
    return [*layers, nn.Linear(1024, 5)]


def alone(grid: Grid, *, channels_last: bool = False, compiled: bool = False) -> Step:
    """Every condition a network and an optimizer of its own."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(grid.batch, 3, grid.size, grid.size).to(memory_format=layout)
    y = torch.arange(grid.batch) % 5
    steps = [
        _condition(grid, cut.trunk_depth, x, y, layout, compiled)
        for column in grid.columns
        for cut in column.cuts
    ]

    def advance() -> None:
        for step in steps:
            step()

    return advance


def _condition(
    grid: Grid,
    frozen: int,
    x: torch.Tensor,
    y: torch.Tensor,
    layout: torch.memory_format,
    compiled: bool,
) -> Step:
    layers = convnet() if grid.name == "ConvNet" else caffenet()
    network = nn.Sequential(*layers).to(memory_format=layout)  # pyright: ignore
    for layer in layers[:frozen]:
        layer.requires_grad_(False)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, 0.01, momentum=0.9, weight_decay=5e-4)
    if compiled:
        # One program for each frozen depth is what a user would want; the default limit is 8.
        torch._dynamo.config.recompile_limit = 64
    forward = torch.compile(network) if compiled else network

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(forward(x), y).backward()
        optimizer.step()

    return step
