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


def caffenet(width: float, size: int) -> list[nn.Module]:
    """The layers of CaffeNet at a share of its width, without dropout."""
    c1, c2, c3, dense = (int(width * own) for own in (96, 256, 384, 4096))
    pool = [nn.MaxPool2d(3, 2, ceil_mode=True)]
    norm = [nn.LocalResponseNorm(5)]
    shapes = (
        (3, c1, 11, 4, 0, 1, pool + norm),
        (c1, c2, 5, 1, 2, 2, pool + norm),
        (c2, c3, 3, 1, 1, 1, []),
        (c3, c3, 3, 1, 1, 2, []),
        (c3, c2, 3, 1, 1, 2, pool),
    )
    layers: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(c, k, side, stride, pad, groups=groups), nn.ReLU(), *rest)
        for c, k, side, stride, pad, groups, rest in shapes
    ]
    features = nn.Sequential(*layers)(torch.zeros(1, 3, size, size)).numel()
    layers.append(nn.Sequential(nn.Flatten(), nn.Linear(features, dense), nn.ReLU()))
    layers.append(nn.Sequential(nn.Linear(dense, dense), nn.ReLU()))
    return [*layers, nn.Linear(dense, 5)]


def alone(
    grid: Grid,
    *,
    channels_last: bool = False,
    compiled: bool = False,
    device: str = "cpu",
    low: bool = False,
    columns: int | None = None,
) -> Step:
    """Every condition a network and an optimizer of its own; `low` computes in bfloat16."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(grid.batch, 3, grid.size, grid.size).to(device, memory_format=layout)
    y = (torch.arange(grid.batch) % 5).to(device)
    steps = [
        _condition(grid, cut.trunk_depth, x, y, layout, compiled, low)
        for column in grid.columns[:columns]
        for cut in column.cuts
    ]

    def advance() -> None:
        for step in steps:
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return advance


def _condition(
    grid: Grid,
    frozen: int,
    x: torch.Tensor,
    y: torch.Tensor,
    layout: torch.memory_format,
    compiled: bool,
    low: bool,
) -> Step:
    is_convnet = grid.name == "ConvNet"
    layers = convnet() if is_convnet else caffenet(grid.width, grid.size)
    network = nn.Sequential(*layers).to(x.device, memory_format=layout)  # pyright: ignore
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
        with torch.autocast(x.device.type, torch.bfloat16, enabled=low):
            loss = nn.functional.cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()

    return step
