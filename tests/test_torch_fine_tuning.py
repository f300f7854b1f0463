"""PyTorch's fine-tuning, which `ask` is timed against: it learns, and freezes what it says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra bench")
timm = pytest.importorskip("timm", reason="needs the extra bench")

BENCHMARKS = Path(__file__).parents[1] / "experiments" / "benchmarks"
SCRIPT = BENCHMARKS / "torch_finetuning.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images of three classes that differ by their colour, and a random ResNet-18."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("torch")
    labels = np.arange(90) % 3
    images = np.random.RandomState(0).randint(0, 60, (90, 32, 32, 3)).astype(np.uint8)
    images[np.arange(90), :, :, labels] += 180
    subset = np.repeat([0, 1, 2], 30)
    seen = {"mean": np.full(3, 90, np.float32), "scale": np.full(3, 1 / 90, np.float32)}
    np.savez(folder / "images.npz", images=images, labels=labels, subset=subset, **seen)
    save_file(timm.create_model("resnet18", num_classes=3).state_dict(), folder / "w.safetensors")
    return [str(folder / "images.npz"), "resnet18", str(folder / "w.safetensors")]


def test_it_learns(files):
    command = [sys.executable, str(SCRIPT), *files, "--steps=20", "--batch=16"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert told["seconds of steps"] > 0
    assert told["validation"] > 0.6 and told["test"] > 0.6


@pytest.mark.parametrize(("share", "named"), [(0, 0), (0.5, 20), (1, 40)])
def test_a_share_of_the_layers_is_frozen_and_the_head_never(files, share, named, monkeypatch):
    """A ResNet-18 has 20 convolutions, as many normalisations, and a head."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from torch_finetuning import pretrained

    network = pretrained(files[1], Path(files[2]), 3, share)
    frozen = [n for n, p in network.named_parameters() if not p.requires_grad]
    assert len({name.rpartition(".")[0] for name in frozen}) == named
    assert not any(name.startswith("fc") for name in frozen)
    assert not frozen or frozen[0] == "conv1.weight"
