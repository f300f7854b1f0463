"""A race on two processes, whose disk remembers what was missing: the bits of one process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transfer_jax.surgery.safetensors_files import write_safetensors

from .commands import assert_same, run, what_it_made
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


@pytest.fixture(scope="module")
def flags(tmp_path_factory) -> list[str]:
    file = tmp_path_factory.mktemp("file") / "weights.safetensors"
    write_safetensors(file, as_pytorch_names_them(), {"format": "pt"})
    return [*OWN, f"--config.network.weights={file}"]


def of_the_race(workdir: Path) -> dict[str, bytes]:
    """Its rules, and what each look saw."""
    files = [workdir / "race.json", *workdir.rglob("looks/*")]
    return {str(path.relative_to(workdir)): path.read_bytes() for path in files}


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


@pytest.mark.slow
def test_a_race_on_two_processes_is_that_on_one(flags, tmp_path):
    alone = run(tmp_path / "one", *flags, devices=2)
    said = two(tmp_path / "two", flags)
    assert [" ".join(text.split()).count("Kept: what leaves") for text in (alone, *said)] == [
        1,
        1,
        0,
    ]
    files = of_the_race(tmp_path / "one")
    assert len(files) > 9 and of_the_race(tmp_path / "two") == files
    ways = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").glob("race/*")]
    assert len(ways) == 5
    # Those that were set aside may go on with a larger budget.
    one, two_of = (
        {own for own in ways if (tmp_path / name / own / "checkpoints").exists()}
        for name in ("one", "two")
    )
    assert one == two_of
    for own in one:
        shutil.rmtree(tmp_path / "two" / own / "checkpoints")
    for own in (Path(), *ways):
        assert_same(tmp_path / "two" / own, what_it_made(tmp_path / "one" / own))
    assert any((tmp_path / "one").glob("race/*/networks/*"))
