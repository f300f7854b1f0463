"""A race on two processes, whose disk remembers what was missing: the bits of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import transfer_jax as tj
from transfer_jax.surgery.safetensors_files import write_safetensors

from .commands import run
from .joined import free_port
from .named import NAME, as_pytorch_names_them
from .pretrained import FLAGS

OWN = [
    *(flag for flag in FLAGS if not flag.startswith(("--config.network", "--config.steps"))),
    f"--config.network.name={NAME}",
    "--config.families=('probe','freeze','full')",
    "--config.cuts=(1,3)",
    "--config.steps=24",
    "--config.batch_size=16",
    "--config.optimizer.learning_rate=0.1",
    "--config.data.validation_share=0.01",
    "--config.checkpoint.networks=all",
    "--config.budget=3",
]
# As a network file system does: a name that was once found missing stays so for a while.
FORGETFUL = """
import sys
from etils import epath
from transfer_jax import cli

missing, exists = set(), type(epath.Path("a")).exists

def as_remembered(self):
    if str(self) not in missing and not exists(self):
        missing.add(str(self))
    return str(self) not in missing

if "--process=1" in sys.argv:
    type(epath.Path("a")).exists = as_remembered
sys.exit(cli.main())
"""
ONE_DEVICE = "--xla_force_host_platform_device_count=1"
ARRAYS = ("networks/*", "race/*/networks/*")
FILES = (
    "results.csv",
    "race.json",
    "columns/*",
    "correct/*",
    "validated/*",
    "metrics/*",
    "looks/*",
)


@pytest.fixture(scope="module")
def flags(tmp_path_factory) -> list[str]:
    file = tmp_path_factory.mktemp("file") / "weights.safetensors"
    write_safetensors(file, as_pytorch_names_them(), {"format": "pt"})
    return [*OWN, f"--config.network.weights={file}"]


def made(workdir: Path) -> tuple[dict[str, bytes], dict[str, object]]:
    """Every file of the race and of its ways, and every network."""
    files = {
        str(path.relative_to(workdir)): path.read_bytes()
        for name in FILES
        for pattern in (name, f"race/*/{name}")
        for path in workdir.glob(pattern)
    }
    networks = {
        str(path.relative_to(workdir)): tj.load_tree(path)
        for pattern in ARRAYS
        for path in workdir.glob(pattern)
    }
    return files, networks


def two(workdir: Path, flags: list[str]) -> list[str]:
    """What two processes say, each with a device."""
    place = [f"--coordinator=localhost:{free_port()}", "--processes=2"]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", FORGETFUL, "run", f"--workdir={workdir}", *flags, *place,
             f"--process={i}"],
            env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ONE_DEVICE, "NPROC": "8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=240)[0] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], outputs
    return outputs


def test_a_race_on_two_processes_is_that_on_one(flags, tmp_path):
    alone = run(tmp_path / "one", *flags, devices=2)
    said = two(tmp_path / "two", flags)
    assert [" ".join(text.split()).count("Kept: what leaves") for text in (alone, *said)] == [
        1,
        1,
        0,
    ]
    (files, networks), (ours, our_networks) = made(tmp_path / "one"), made(tmp_path / "two")
    assert sum("looks" in name for name in files) > 8 and networks
    assert ours == files
    assert our_networks.keys() == networks.keys()
    for name, network in networks.items():
        assert not tj.diff(our_networks[name], network), name
    assert not list((tmp_path / "two").glob("race/*/checkpoints"))
