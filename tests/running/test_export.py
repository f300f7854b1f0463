"""A trained network is written under the names that its weights came with, and is that network."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

import transfer_jax as tj
from tests.running.named import NAME, SEES, as_pytorch_names_them, named_config
from transfer_jax import cli
from transfer_jax.data.sources import load_images
from transfer_jax.folder.correctness import read_correctness
from transfer_jax.folder.heads import SolvedHead
from transfer_jax.running.export import _features, export
from transfer_jax.running.kept_network import INTO_LOGITS, KeptNetwork
from transfer_jax.surgery.safetensors_files import read_safetensors

FAMILIES = "('scratch','probe','head2toe','freeze','full','lp-ft','AnB')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run, with all its networks, of two seeds."""
    place = tmp_path_factory.mktemp("export")
    flags = [
        f"--config.families={FAMILIES}", "--config.cuts=(1,2,3)", "--config.seeds=2",
        "--config.checkpoint.networks=all", "--config.optimizer.learning_rate=0.1",
        "--config.steps=20",
    ]  # fmt: skip
    tj.run(named_config(place, flags), place / "run")
    return place


def row(folder, **asked):
    rows = tj.Results.read(folder / "run").rows
    return next(r for r in rows if all(getattr(r, k) == v for k, v in asked.items()))


def seen(folder, asked):
    """The test images of a network, as the network wants them, and which it classifies right."""
    held = read_correctness(epath.Path(folder / "run" / "correct" / f"{asked.column}.npz"))
    images = load_images("fashion_mnist", "", validation_share=0.002)
    numbers = np.flatnonzero(images.is_test)[held.images]
    pixels = np.asarray(images.images[numbers], np.float32)
    normalised = (pixels / 255 - np.float32(SEES.mean)) / np.float32(SEES.deviation)
    return normalised, images.labels[numbers], held.right(asked.label)


@pytest.mark.parametrize(
    ("way", "asked"),
    [
        ("full", {"variant": "full"}),
        ("freeze:2", {"variant": "freeze", "n": 2}),
        ("lp-ft", {"variant": "lp-ft"}),
        ("AnB:1", {"treatment": "AnB", "variant": "", "n": 1}),
        ("scratch", {"treatment": "scratch"}),
    ],
)
def test_what_is_written_classifies_each_test_image_as_the_run_said(way, asked, folder):
    file = folder / "out.safetensors"
    export(epath.Path(folder / "run"), str(file), way, seed=1)
    made, variables = tj.network(NAME, file)
    images, labels, right = seen(folder, row(folder, seed=1, **asked))
    found = np.asarray(made.logits(variables, images)).argmax(-1) == labels
    assert found.tolist() == right.tolist()


def test_the_names_are_those_of_the_file_and_frozen_layers_are_its_to_the_bit(folder):
    before, file = as_pytorch_names_them(), folder / "out.safetensors"
    export(epath.Path(folder / "run"), str(file), "freeze:2", seed=0)
    after = read_safetensors(file)
    assert set(after) == set(before)
    assert after["module.head.fc.weight"].shape == (10, 8)
    same = {n for n in before if np.array_equal(before[n], after[n])}
    frozen = {n for n in before if n.startswith(("module.conv", "module.norm", "module.blocks.0"))}
    counters = {n for n in before if n.endswith("num_batches_tracked")}
    assert frozen - counters <= same
    # Statistics of layers that are tuned are held; their weights have moved.
    moved = {n for n in before if n.startswith("module.blocks.1") and "running" not in n}
    assert not (moved - counters) & same


def test_a_probe_on_all_layers_but_the_last_is_the_networks_own_head(folder):
    file = folder / "out.safetensors"
    lines = export(epath.Path(folder / "run"), str(file), "probe:3").lines
    assert not any("probe.weight" in line for line in lines)
    assert set(read_safetensors(file)) == set(as_pytorch_names_them())
    made, variables = tj.network(NAME, file)
    images, labels, right = seen(folder, row(folder, variant="probe", n=3))
    found = np.asarray(made.logits(variables, images)).argmax(-1) == labels
    assert found.tolist() == right.tolist()


def test_a_probe_below_is_the_first_layers_and_a_linear_head(folder):
    file = folder / "out.safetensors"
    lines = export(epath.Path(folder / "run"), str(file), "probe:2").lines
    assert any("2 of 4 layers, up to blocks.0" in line for line in lines)
    held = read_safetensors(file)
    above = ("module.blocks.1", "module.head")
    layers = {n for n in as_pytorch_names_them() if not n.startswith(above)}
    assert set(held) == layers | {"probe.weight", "probe.bias"}
    images, labels, right = seen(folder, row(folder, variant="probe", n=2))
    made, variables = tj.network(NAME, folder / "weights.safetensors")
    features = made.apply(variables, jnp.asarray(images), 0, 2)[0].mean((1, 2))
    found = features @ held["probe.weight"].T + held["probe.bias"]
    assert (np.asarray(found).argmax(-1) == labels).tolist() == right.tolist()


def test_a_head_on_all_layers_is_a_linear_head_beside_the_network_without_its_logits(folder):
    file = folder / "out.safetensors"
    (told, line, _) = export(epath.Path(folder / "run"), str(file), "head2toe").lines
    assert told.startswith("head2toe (train a linear head on all layers' activations")
    assert "All layers but the logits; " in line
    assert "in this order: stem (6), blocks.0 (8), the input of the logits (8); " in line
    held, before = read_safetensors(file), as_pytorch_names_them()
    logits = {"module.head.fc.weight", "module.head.fc.bias"}
    assert set(held) == (set(before) - logits) | {"probe.weight", "probe.bias"}
    assert all(np.array_equal(held[n], before[n]) for n in set(before) - logits if "num_" not in n)
    assert held["probe.weight"].shape == (10, 6 + 8 + 8)
    kept = int(held["probe.weight"].any(axis=0).sum())
    assert f"; {kept} of 22 features were kept, the weights of the others are 0" in line
    images, labels, right = seen(folder, row(folder, variant="head2toe"))
    made, variables = tj.network(NAME, folder / "weights.safetensors")
    parts = [np.asarray(made.apply(variables, images, 0, n)[0]).mean((1, 2)) for n in (1, 2, 3)]
    last = parts[2] - parts[2].mean(1, keepdims=True)
    last = last / np.sqrt((last**2).mean(1, keepdims=True) + 1e-6)
    parts[2] = last * held["module.head.norm.weight"] + held["module.head.norm.bias"]
    found = np.concatenate(parts, axis=1) @ held["probe.weight"].T + held["probe.bias"]
    assert (found.argmax(-1) == labels).tolist() == right.tolist()
    assert json.loads(about_of(file)["features"]) == [
        ["stem", 6], ["blocks.0", 8], ["the input of the logits", 8]
    ]  # fmt: skip


def test_what_a_head_on_one_layer_takes_is_named():
    head = SolvedHead(np.array([[1.0], [0.0]]), np.zeros(1), 0.1)
    one = KeptNetwork({"stem": {}}, head, (("stem", 2),))
    assert _features(one) == "the mean activation that leaves it"
    last = KeptNetwork({"stem": {}}, head, ((INTO_LOGITS, 2),))
    assert "in this order: the input of the logits (2); 1 of 2 features" in _features(last)


def about_of(file):
    length = int.from_bytes(file.read_bytes()[:8], "little")
    return json.loads(file.read_bytes()[8 : 8 + length])["__metadata__"]


def test_what_it_wants_to_see_is_written_with_it(folder):
    file = folder / "out.safetensors"
    export(epath.Path(folder / "run"), str(file), "full")
    about = about_of(file)
    assert json.loads(about["mean"]) == [0.3] and json.loads(about["deviation"]) == [0.4]
    assert json.loads(about["image_shape"]) == [28, 28, 1]
    assert json.loads(about["classes"])[:2] == ["T-shirt/top", "Trouser"]


def test_the_best_is_what_the_advice_takes_and_of_seeds_the_best_on_validation(folder, capsys):
    file = folder / "out.safetensors"
    assert cli.main(["export", f"{folder / 'run'}", f"--to={file}"]) == 0
    said = capsys.readouterr().out
    assert "the advice takes" in said and "Written" in said
    rows = [r for r in tj.Results.read(folder / "run").rows if r.variant == "full"]
    best = max(rows, key=lambda r: (r.validation, -r.seed)).seed
    assert cli.main(["export", f"{folder / 'run'}", "--way=full", f"--to={file}"]) == 0
    assert f"seed {best}, the most accurate of its way" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--way=ful"], "--way is 'ful'; allowed: best, "),
        (["--way=freeze:4"], "nearest: freeze:"),
        (["--way=full", "--seed=7"], "--seed is 7; allowed: 0, 1"),
        (["--way=full", "--task=whole.B"], "--task is 'whole.B'; allowed: whole.A"),
        (["--to=net.pth"], "net.pth is no name for weights; allowed: names that end in .safeten"),
        (["--to=weights.safetensors"], "is the file that the run began with"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(arguments, said, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    before = (folder / "weights.safetensors").read_bytes()
    # The last --to counts.
    assert cli.main(["export", "run", "--to=o.safetensors", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (folder / "o.safetensors").exists()
    assert (folder / "weights.safetensors").read_bytes() == before


def test_other_weights_under_the_same_name_are_refused(folder, capsys):
    file = folder / "weights.safetensors"
    held = file.read_bytes()
    try:
        other = bytearray(held)
        other[-1] ^= 1
        file.write_bytes(other)
        assert cli.main(["export", f"{folder / 'run'}", f"--to={folder / 'o.safetensors'}"]) == 1
    finally:
        file.write_bytes(held)
    assert "other network.weights" in capsys.readouterr().err


def test_a_folder_of_no_run_and_one_that_is_not_finished(folder, tmp_path, capsys):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.json").write_bytes((folder / "run" / "config.json").read_bytes())
    for name, said in (("none", "holds no run"), ("begun", "is not finished")):
        assert cli.main(["export", f"{tmp_path / name}", "--to=a.safetensors"]) == 1
        assert said in capsys.readouterr().err
