"""A pretrained network on a folder of class folders that nobody prepared."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer_jax as tj
from tests.data.folders import png_bytes, write_classes
from tests.models.weights import transformers_shapes
from tests.models.weights.drawn import drawn
from tests.running.pretrained import Block, Head
from transfer_jax.cli import main
from transfer_jax.engine.columns import column_inputs, input_shapes
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.own_folder import with_prepared_folder
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.plan_notes import plan_notes
from transfer_jax.surgery.safetensors_files import write_safetensors

MEAN, DEVIATION = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
SEES = Preprocessing(MEAN, DEVIATION, 12, 0.75, "bicubic", least_size=8)


def layered(num_outputs: int, sees: Preprocessing | None) -> LayerStack:
    layers = {"stem": Block(4, 2), "block": Block(4), "head": Head(num_outputs)}
    return LayerStack(layers, stages=("stem",), preprocessing=sees)


def network(num_outputs: int) -> LayerStack:
    return layered(num_outputs, SEES)


def picky(num_outputs: int) -> LayerStack:
    """A network that takes images of one size alone."""
    return layered(num_outputs, Preprocessing(MEAN, DEVIATION, 12, 0.75, any_size=False))


def silent(num_outputs: int) -> LayerStack:
    """A network that does not say what it wants to see."""
    return layered(num_outputs, None)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "my pets", ("cat", "dog"), 12)
    _, variables = tj.network("tests.running.test_own_folder:network", num_outputs=5)
    tj.save_tree("weights.safetensors", variables)
    return tmp_path


def flags(*more: str, name: str = "network") -> list[str]:
    fields = [
        f"network.name=tests.running.test_own_folder:{name}", "network.weights=weights.safetensors",
        "seeds=1", "steps=2", "optimizer.warmup_steps=1", "batch_size=4", "families=('full',)",
        "data.folder=my pets", *more,
    ]  # fmt: skip
    return [f"--config.{field}" for field in fields]


def planned(*more: str, name: str = "network"):
    config = load_config("pretrained", flags(*more, name=name))
    return make_plan(with_prepared_folder(config, lambda _: None))


def test_a_run_needs_the_folder_and_the_weights_alone(here, capsys):
    assert main(["run", "--config=pretrained", *flags()]) == 0
    printed = capsys.readouterr().out
    assert "Prepared 24 images of my pets, 16x16, in data/my_pets-16-crop-bicubic" in printed
    form = json.loads(Path("data/my_pets-16-crop-bicubic/preparation.json").read_text())["form"]
    assert (form["size"], form["resize"], form["interpolation"]) == (16, "crop", "bicubic")
    data = json.loads(Path("runs/my pets/config.json").read_text())["data"]
    assert (data["folder"], data["crop"]) == ("data/my_pets-16-crop-bicubic", 12)
    # The run's own config, and the same line again, find all of it.
    assert main(["run", "--config=runs/my pets/config.json", "--workdir=runs/my pets"]) == 0
    assert main(["run", "--config=pretrained", *flags()]) == 0
    printed = capsys.readouterr().out
    assert (
        "are in data/my_pets-16-crop-bicubic already" in printed
        and printed.count("nothing to train") == 2
    )


def test_images_that_changed_are_told_and_are_another_run(here, capsys):
    assert main(["run", "--config=pretrained", *flags()]) == 0
    (here / "my pets" / "cat" / "new.png").write_bytes(png_bytes(77))
    capsys.readouterr()
    assert main(["run", "--config=pretrained", *flags()]) == 1
    captured = capsys.readouterr()
    assert "in data/my_pets-16-crop-bicubic: 1 image is new (cat/new.png)" in captured.out
    (line,) = captured.err.splitlines()
    assert "holds a run on other images" in line and "the digest is" in line


def test_what_is_skipped_is_not_counted_and_is_told_each_time(here, capsys):
    (here / "my pets" / "cat" / "broken.png").write_bytes(png_bytes(7)[:40])
    config = load_config("pretrained", flags())
    said = []
    for _ in range(2):
        with_prepared_folder(config, said.append)
    into = "data/my_pets-16-crop-bicubic"
    assert said[0] == f"Prepared 24 images of my pets, 16x16, in {into}"
    assert said[1] == f"1 image skipped; {into}/dataset.json names it:"
    again = f"The images of my pets are in {into} already, 16x16"
    assert said[-1] == f"{again}; 1 skipped, which {into}/dataset.json names"


def test_another_folder_of_the_same_name_is_refused(here, capsys):
    planned()
    write_classes(here / "other" / "my pets", ("cat", "dog"), 3)
    (here / "other" / "my pets" / "cat" / "0.png").write_bytes(png_bytes(5))
    assert main(["run", "--config=pretrained", *flags("data.folder=other/my pets")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    into = "data/my_pets-16-crop-bicubic"
    assert f"data.folder other/my pets is prepared into {into}" in line
    assert line.endswith(f"; rename other/my pets, or delete {into}")


def test_originals_may_lie_where_prepared_images_go(here, capsys):
    (here / "my pets").rename(here / "data")
    line = ["run", "--config=pretrained", *flags("data.folder=data")]
    assert main(line) == 0 and main(line) == 0
    said = capsys.readouterr().out
    assert "Prepared 24 images of data, 16x16, in prepared/data-16-crop-bicubic" in said
    assert "nothing to train" in said and {own.name for own in Path("data").iterdir()} == {
        "cat",
        "dog",
    }
    # Where all is within them there is no such place.
    assert main(["run", "--config=pretrained", *flags(f"data.folder={here}")]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "the originals; type the command in another folder" in told


def test_what_is_seen_is_what_the_network_wants(here):
    wide = np.random.default_rng(0).integers(0, 256, (30, 60, 3), dtype=np.uint8)
    for name in ("cat", "dog"):
        Image.fromarray(wide).save(here / "my pets" / name / "0.png")
    plan = planned()
    column = plan.columns(plan.grid)[0]
    inputs = column_inputs(column, plan.splits["whole"], plan.recipe)
    half = np.round((60 - 30) / 2)
    stored = Image.fromarray(wide).resize((16, 16), Image.Resampling.BICUBIC, (half, 0, 45, 30))
    held = plan.recipe.images.in_memory
    assert any((image == np.asarray(stored)).all() for image in held)
    seen = (held.astype(np.float64) - inputs.mean) * inputs.scale
    np.testing.assert_allclose(seen, (held / 255 - MEAN) / DEVIATION, rtol=1e-5, atol=1e-5)
    shapes = input_shapes(plan.recipe)
    assert (shapes.mean.shape, shapes.scale.shape) == (inputs.mean.shape, inputs.scale.shape)
    assert plan.recipe.network_shape == (12, 12, 3)


def test_a_stream_sees_the_same(here):
    rows = []
    for stream in (True, False):
        config = load_config("pretrained", flags(f"data.stream={stream}"))
        rows.append(tj.run(config, here / f"stream {stream}").rows)
    assert rows[0] == rows[1]


def test_a_folder_that_is_prepared_is_read_as_it_is(here, capsys):
    prepare = ["prepare", "--config=pretrained", "--manual_dir=my pets", "--workers=1"]
    assert main([*prepare, *flags("data.folder=data/mine", "data.form.size=14")]) == 0
    plan = planned("data.folder=data/mine")
    assert plan.recipe.network_shape == (12, 12, 3)
    assert plan.recipe.images.images.shape[1:] == (14, 14, 3)
    assert not Path("data/mine-16").exists()
    assert main([*prepare, *flags("data.folder=data/own")]) == 0
    assert planned("data.folder=data/own").recipe.images.images.shape[1:] == (16, 16, 3)


def test_no_images_of_a_folder_mean_those_in_the_package():
    data = load_config("pretrained").data
    assert (data.source, data.folder, data.form.size) == ("openclipart", "", 0)
    assert load_config("pretrained", ["--config.data.folder=a"]).data.source == "folder"
    assert load_config("fashion_mnist", ["--config.data.folder=a"]).data.source == "folder"


def grey(bits: int) -> bytes:
    file, kind = io.BytesIO(), np.uint16 if bits == 16 else np.uint8
    Image.fromarray(np.arange(400).reshape(20, 20).astype(kind)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_pictures_become_coloured(bits, here):
    for path in (here / "my pets").rglob("*.png"):
        path.write_bytes(grey(bits))
    pixels = planned().recipe.images.in_memory
    assert pixels.shape[-1] == 3 and (pixels == pixels[..., :1]).all()


@pytest.mark.parametrize(
    ("more", "name", "words"),
    [
        (["data.mean=target"], "network", "data.mean is target, but network.weights names"),
        (["data.scale=none"], "network", "data.scale is none, but network.weights names"),
        (["data.form.size=7"], "network", "sees 7x7 pixels; allowed: sides of 8 or more"),
        (["data.crop=6"], "network", "sees 6x6 pixels; allowed: sides of 8 or more"),
        (["data.form.size=16"], "picky", "sees 16x16 pixels; allowed: 12x12 alone"),
        ([], "silent", "data.form.size is 0, the network's own, but network tests.running"),
        (["data.folder=nowhere"], "network", "data.folder is 'nowhere', which does not exist"),
        (["data.folder=my pet"], "network", "a folder of images a class; nearest: my pets"),
    ],
)
def test_what_a_network_cannot_see_is_one_line(more, name, words, here):
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as error:
        planned(*more, name=name)
    assert words in str(error.value)


def test_a_network_that_says_nothing_is_told_of(here):
    notes = plan_notes(planned("data.form.size=16", name="silent"))
    assert any("does not say what it wants to see: images are less the mean" in n for n in notes)
    assert not any("does not say" in note for note in plan_notes(planned()))


def test_what_a_resnet_sees_is_told_where_names_leave_it_open(here):
    """Timm's and torchvision's have the same names, and another interpolation."""
    _, variables = tj.network("resnet18", num_outputs=5)
    tj.save_tree("weights.safetensors", variables)
    own = ["network.name=resnet18", "data.form.size=32"]
    (note,) = plan_notes(planned(*own))
    assert "are timm's and torchvision's; resnet18 sees images as timm's: bicubic, 0.95" in note
    assert note.endswith("network.origin=torchvision sees them bilinear, 0.875")
    theirs = planned(*own, "network.origin=torchvision")
    assert plan_notes(theirs) == []
    assert theirs.recipe.preprocessing.interpolation == "bilinear"
    assert theirs.config.data.form.interpolation == "bilinear"


@pytest.mark.parametrize("whose", ["timm", "hf"])
def test_what_a_vit_sees_is_told_where_names_leave_it_open(whose, here):
    """DeiT's, DINO's and MAE's have the names of others, and see ImageNet's mean: as timm says."""
    name = "vit_tiny_patch16_224"
    _, variables = tj.network(name, num_outputs=5)
    if whose == "timm":
        tj.save_tree("weights.safetensors", variables)
    else:
        arrays = drawn(transformers_shapes.vit_tiny_patch16_224(3))
        write_safetensors(here / "weights.safetensors", arrays, {})
    own = [f"network.name={name}"]
    (note,) = plan_notes(planned(*own))
    assert f"{name} sees images as {whose}'s: less 0.5, by 0.5; those of DeiT, DINO and" in note
    assert note.endswith("see them less 0.485, 0.456, 0.406, by 0.229, 0.224, 0.225")
    theirs = planned(*own, "network.origin=deit")
    assert plan_notes(theirs) == []
    assert theirs.recipe.preprocessing.mean == (0.485, 0.456, 0.406)


def test_one_class_is_none(here, capsys):
    for path in sorted((here / "my pets" / "dog").iterdir()):
        path.unlink()
    assert main(["run", "--config=pretrained", *flags()]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "images of cat alone; a dataset needs two class folders or more" in line
