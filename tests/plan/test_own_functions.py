"""A network, an optimizer and images from functions of one's own, by name."""

import csv
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY
from transfer_jax.cli import main
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan
from transfer_jax.running.experiment import run as run_of

MODULE = '''
from collections.abc import Sequence
import dataclasses
from functools import partial
import flax.linen as nn
from flax import nnx
from transfer_jax.models.nnx_layers import from_nnx
import numpy as np
import optax
from transfer_jax.data.embedded import embedded
from transfer_jax.engine.optimizers import sgd
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.preprocessing import Preprocessing


def tall(num_outputs: int, thin: Sequence[int] = (3, 3, 3, 3), top: int = 4):
    """A network.

    Args:
      thin: channels of each layer.
    """
    return ConvNet(num_outputs, widths=thin, dense_widths=(top,))


class Flat(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(self.width)(x.reshape(len(x), -1))


def two(num_outputs: int, width: int = 3):
    return {"low": Flat(width), "top": Flat(num_outputs)}


def slow(steps: int, rate: float = 0.03, warmup: int = 1):
    shape = optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup, steps)
    return sgd(lambda step: rate * shape(step), 0.9, 5e-4)


def adam(steps: int, rate: float = 0.001):
    return optax.adamw(optax.cosine_decay_schedule(rate, steps))


def grey(folder: str):
    assert folder in ("", "somewhere")
    return dataclasses.replace(embedded("fashion_mnist"), digest="")


def no_outputs(width: int = 3): return {}
def odd_argument(num_outputs: int, widths: dict = {}): return {}
def no_type(num_outputs: int, width): return {}
def typed_by_its_default(num_outputs: int, width=3): return two(num_outputs, width)
def list_of(num_outputs: int): return [1, 2]
def raises(num_outputs: int): raise RuntimeError("out of\\nideas")
def number(steps: int): return 3
def float_images(folder: str):
    images = embedded("fashion_mnist")
    return dataclasses.replace(images, images=images.images / 255)
def needs_width(num_outputs: int, width: int): return two(num_outputs, width)
def too_wide(num_outputs: int): return {"low": Flat(3), "top": Flat(num_outputs + 1)}
def no_layers(num_outputs: int): return {}
def nnx_made(num_outputs: int): return {"low": nnx.Linear(4, num_outputs, rngs=nnx.Rngs(0))}
def nnx_narrow(num_outputs: int):
    flat = lambda x: x.reshape(len(x), -1)
    return from_nnx([("flat", flat), ("low", partial(nnx.Linear, 64, num_outputs))])
def listed(num_outputs: int, rngs: nnx.Rngs, width: int = 3):
    """A list that mixes kinds, and what it wants to see."""
    low = nnx.Conv(1, width, (5, 5), strides=4, rngs=rngs)
    layers = [("low", low), ("norm", nn.BatchNorm()), ("pool", lambda x: nn.relu(x).mean((1, 2)))]
    return [*layers, ("top", nn.Dense(num_outputs))], Preprocessing((0.5,), (0.5,), size=28)
kept = {}
def keeps(x):
    kept["x"] = x
    return x
def skips(num_outputs: int):
    middle = [("low", keeps), ("mid", nn.relu), ("sum", lambda x: x + kept["x"])]
    return [*middle, ("top", Flat(num_outputs))]
def fixed(num_outputs: int):
    """Numbers from a file of one's own, say, in the place of fresh ones."""
    table = np.random.default_rng(0).normal(size=(784, num_outputs)).astype(np.float32)
    return [("flat", lambda x: x.reshape(len(x), -1)),
            ("top", nn.Dense(num_outputs, kernel_init=lambda *_: table))]
def twice(num_outputs: int): return [("low", Flat(3)), ("low", Flat(num_outputs))]
def raises_late(num_outputs: int, rngs: nnx.Rngs): raise RuntimeError("out of\\nideas")
def dead(num_outputs: int): return [("low", lambda x: 0 * x), ("top", Flat(num_outputs))]
def odd_sight(num_outputs: int):
    return [("top", Flat(num_outputs))], Preprocessing((0.5,), (0.0,))
def odd_layer(num_outputs: int): return {"low": nn.Dense(3), "top": lambda x: x @ x}
def by_lines(steps: int): return optax.lbfgs()
def lists(folder: str):
    images = embedded("fashion_mnist")
    return dataclasses.replace(images, labels=images.labels.tolist(), class_names=[*"abcdefghij"])
def number_names(folder: str):
    return dataclasses.replace(embedded("fashion_mnist"), class_names=tuple(range(10)))
def odd_group(folder: str):
    return dataclasses.replace(embedded("fashion_mnist"), groups={"g": ("zz",)})
def few_labels(folder: str):
    images = embedded("fashion_mnist")
    return dataclasses.replace(images, labels=images.labels[:5])
def odd_labels(folder: str):
    images = embedded("fashion_mnist")
    return dataclasses.replace(images, labels=images.labels + 1)
def nothing(folder: str): return None
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_parts.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
    sys.modules.pop("own_parts", None)


FLAGS = [*TINY, "--config.seeds=1", "--config.cuts=(1,)", "--config.treatments=('AnB',)"]


def run(workdir: Path, flag: str, *more: str) -> int:
    """A run in which a field of one's own stands in place of the built-in thing and its fields."""
    part = f"--config.{flag.partition('.')[0]}."
    kept = [f for f in FLAGS if part == "--config.data." or not f.startswith(part)]
    return main(["run", f"--workdir={workdir}", *kept, f"--config.{flag}", *more])


def rows(workdir: Path) -> list[dict[str, str]]:
    with (workdir / "results.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def built_in(own):
    assert main(["run", f"--workdir={own / 'built_in'}", *FLAGS]) == 0
    return rows(own / "built_in")


@pytest.mark.slow_but_first
@pytest.mark.parametrize("flag", ["network.name=own_parts:tall", "optimizer.name=own_parts:slow",
                                  "data.source=own_parts:grey"])  # fmt: skip
def test_what_makes_the_built_in_thing_gives_its_numbers(flag, own, built_in, tmp_path):
    assert run(tmp_path / "run", flag) == 0
    assert rows(tmp_path / "run") == built_in


def test_fields_of_a_function_are_its_arguments(own, capsys):
    flags = ["--config.network.name=own_parts:tall", "--config.network.thin=(2,2,2,2)"]
    network = load_config("fashion_mnist", flags).network
    assert vars(network)["thin"] == (2, 2, 2, 2) and vars(network)["top"] == 4
    assert main(["config", "fashion_mnist", *flags]) == 0
    assert "channels of each layer" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"no field 'network\.thn' .* nearest: network\.thin"):
        load_config("fashion_mnist", [flags[0], "--config.network.thn=(2,)"])


def test_flax_modules_by_name_are_a_network_and_an_optimizer_of_optax_trains_it(own, tmp_path):
    config = load_config(
        "fashion_mnist",
        ["--config.network.name=own_parts:two", "--config.optimizer.name=own_parts:adam",
         *(f for f in FLAGS if not f.startswith(("--config.network.", "--config.optimizer.")))],
    )  # fmt: skip
    run_of(config, tmp_path / "run")
    assert {row["n"] for row in rows(tmp_path / "run")} == {"0", "1"}


def test_a_list_of_linen_nnx_and_functions_is_a_network_with_fields_of_its_own(own, tmp_path):
    flags = [f for f in FLAGS if not f.startswith("--config.network.")]
    flags += ["--config.network.name=own_parts:listed", "--config.network.width=4"]
    config = load_config("fashion_mnist", flags)
    plan = make_plan(config)
    assert plan.network.layer_names == ("low", "norm", "pool", "top")
    assert plan.network.preprocessing.size == 28
    run_of(config, tmp_path / "run")
    assert {row["n"] for row in rows(tmp_path / "run")} == {"0", "1"}


def test_a_network_is_tried_once_however_often_it_is_planned(own, monkeypatch):
    tried = []
    monkeypatch.setattr("transfer_jax.plan.network_checks.try_network", lambda *_: tried.append(1))
    for width in (5, 5, 6):
        flags = ["--config.network.name=own_parts:needs_width", f"--config.network.width={width}"]
        make_plan(load_config("fashion_mnist", flags))
    make_plan(load_config("fashion_mnist", []))
    assert len(tried) == 2


def test_a_changed_function_is_told_of_when_a_run_goes_on(own, capsys, tmp_path):
    assert run(tmp_path / "run", "network.name=own_parts:two") == 0
    (tmp_path / "run" / "results.csv").unlink()
    (own / "own_parts.py").write_text(MODULE + "\n# another word\n")
    capsys.readouterr()
    assert run(tmp_path / "run", "network.name=own_parts:two") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "code of own_parts:two" in said and "numbers may be others" in said


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("network.name=own_parts:no_outputs", "which takes no num_outputs; it must"),
        ("network.name=own_parts:odd_argument", "argument widths has the type dict; allowed: bool"),
        ("network.name=own_parts:no_type", "argument width has no type; allowed: bool"),
        (
            "network.name=own_parts:list_of",
            "layer 1 is int; allowed: a list of (name, layer) in depth order, or a mapping",
        ),
        (
            "network.name=own_parts:raises",
            "is 'own_parts:raises', which raised RuntimeError: out of ideas",
        ),
        ("network.name=own_parts:tal", "but own_parts has no tal; nearest: tall"),
        (
            "optimizer.name=own_parts:number",
            "which made int; allowed: an optax.G",
        ),
        ("network.name=own_parts:needs_width", "network has name; it needs width"),
        ("network.name=own_parts:too_wide", "gives 6 outputs for an image; allowed: 5"),
        ("network.name=own_parts:no_layers", "there is no layer; allowed: a list of (name"),
        ("network.name=own_parts:nnx_made", "layer low is a module of NNX that is made, so every"),
        ("network.name=own_parts:nnx_narrow", "layer low cannot take an input of 784: TypeError"),
        ("network.name=own_parts:skips", "layer sum reads what layer low left behind; allowed: a"),
        ("network.name=own_parts:fixed", "layer top begins with the same numbers for every seed"),
        ("network.name=own_parts:twice", "two layers are called 'low'; allowed: each name once"),
        ("network.name=own_parts:raises_late", "which raised RuntimeError: out of ideas"),
        ("network.name=own_parts:dead", "layer low gives the same numbers for different images"),
        ("network.name=own_parts:odd_sight", "deviation holds 0.0; allowed: numbers above 0"),
        ("network.name=own_parts:odd_layer", "layer top cannot take an input of 28x28x3: TypeErr"),
        ("optimizer.name=own_parts:by_lines", "which cannot train: TypeError"),
        ("data.source=own_parts:number_names", "whose class_names hold 0; allowed: texts"),
        ("data.source=own_parts:odd_group", "whose group g holds 'zz', which is no class of it"),
        ("optimizer.name=own_parts:tall", "which takes no steps; it must"),
        ("data.source=own_parts:float_images", "whose images are no uint8 array of"),
        ("data.source=own_parts:few_labels", "whose labels are not 20000 whole numbers"),
        ("data.source=own_parts:odd_labels", "whose labels hold 10; allowed: 0 ... 9"),
        (
            "data.source=own_parts:nothing",
            "gave nothing; allowed: an Im",
        ),
    ],
)
def test_a_function_that_does_not_fit_is_told_in_one_line(flag, said, own, capsys, tmp_path):
    assert run(tmp_path / "run", flag) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and "Traceback" not in error


def test_images_of_ones_own_need_no_preparing(own, capsys):
    flag = "--config.data.source=own_parts:grey"
    assert main(["prepare", flag, "--manual_dir=x"]) != 0
    assert "it needs no preparing" in capsys.readouterr().err
    config = load_config("fashion_mnist", [flag, "--config.data.folder=somewhere"])
    images = make_plan(config).recipe.images
    assert len(images.digest) == 64 and images.is_validation.any()


def test_a_default_tells_what_type_is_meant(own):
    name = "--config.network.name=own_parts:typed_by_its_default"
    config = load_config("fashion_mnist", [name, "--config.network.width=5"])
    assert config.network.width == 5  # pyright: ignore
    with pytest.raises(ConfigError, match=r"network\.width is 'x'; allowed: whole numbers"):
        load_config("fashion_mnist", [name, "--config.network.width=x"])


def test_lists_are_as_good_as_arrays_and_a_field_may_have_no_default(own):
    flags = ["--config.data.source=own_parts:lists", "--config.network.name=own_parts:needs_width"]
    config = load_config("fashion_mnist", [*flags, "--config.network.width=7"])
    plan = make_plan(config)
    assert plan.recipe.images.class_names == tuple("abcdefghij")
    assert vars(config.network)["width"] == 7
