"""What would be launched, against golden files and SkyPilot's own loader; and a real local one."""

import argparse
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.running.commands import SMALL, assert_same
from transfer_jax.cli import main
from transfer_jax.commands.launch import main as launch
from transfer_jax.commands.launchers import gcluster, queued_resource, skypilot
from transfer_jax.commands.launchers.job import Job, LaunchError, check
from transfer_jax.commands.launchers.local import run_all

GOLDEN = Path(__file__).parent / "golden"
JOB = Job(
    "layers", "fashion_mnist", ("--config.seeds=5",), "gs://bucket/layers", "v5e-16",
    zone="us-west4-a", cluster="tpus", image="europe-docker.pkg.dev/p/r/transfer_jax:1",
)  # fmt: skip
ENGINES = {"skypilot": skypilot, "queued-resource": queued_resource, "gcluster": gcluster}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_launch_is_what_it_was(engine):
    steps = ENGINES[engine].steps(JOB)
    text = "\n".join(s.content or "\n  ".join(s.command) for s in steps) + "\n"
    assert text == (GOLDEN / f"{engine}.txt").read_text()


def test_skypilots_own_loader_takes_the_task():
    sky = pytest.importorskip("sky", reason="the extra `launch` is not installed")
    for accelerator, zone in (("v5e-16", ""), ("v6e-8", "us-east5-b"), ("h100:8", "")):
        job = Job("a", "fashion_mnist", (), "gs://b/r", accelerator, zone=zone)
        task = sky.Task.from_yaml_config(skypilot.task(job))
        assert task.run == skypilot.task(job)["run"]
        (resources,) = task.resources
        assert resources.use_spot
        assert list(resources.accelerators) == [
            {"v5e-16": "tpu-v5litepod-16", "v6e-8": "tpu-v6e-8", "h100:8": "H100"}[accelerator]
        ]


def test_the_script_of_a_queued_resource_is_shell(tmp_path):
    (tmp_path / "s.sh").write_text(queued_resource.script(JOB))
    subprocess.run(["bash", "-n", tmp_path / "s.sh"], check=True)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"accelerator": "v9-8"}, "accelerator is 'v9-8'; TPUs: v4, v5e, v5p, v6e"),
        ({"accelerator": "fast"}, "such as v5e-16 or h100:8"),
        ({"workdir": "runs/a"}, "a machine that vanishes takes its disk along"),
        ({"name": "A b"}, "allowed: lower case, digits, hyphens"),
    ],
)
def test_a_job_that_cannot_be_is_told(changed, message):
    with pytest.raises(LaunchError, match=message):
        check(Job(**{**vars(JOB), **changed}))


def test_an_engine_says_what_it_lacks():
    bare = Job("a", "own.py", (), "gs://b/r", "h100:1")
    for engine, message in (
        (gcluster, "needs --cluster, --zone, --image"),
        (queued_resource, "needs --zone"),
    ):
        with pytest.raises(LaunchError, match=message):
            engine.steps(bare)
    with pytest.raises(LaunchError, match="a queued resource has those of the package"):
        queued_resource.steps(Job("a", "own.py", (), "gs://b/r", "v5e-8", zone="z"))


def test_a_dry_run_prints_and_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    console = Console(record=True, file=io.StringIO(), width=200)
    arguments = argparse.Namespace(
        config="fashion_mnist", workdir="gs://b/r", on="skypilot", dry_run=True, name=None,
        accelerator="v5e-16", on_demand=False, zone="", project="", cluster="", image="",
        package="transfer_jax", processes=None,
    )  # fmt: skip
    launch(arguments, [], console)
    printed = console.export_text()
    assert json.loads(printed[printed.index("{") : printed.rindex("}") + 1])["name"]
    assert "$ sky jobs launch --yes fashion-mnist.sky.yaml" in printed
    assert not list(tmp_path.iterdir())


def test_a_missing_engine_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    flags = ["--config=fashion_mnist", "--on=skypilot", "--workdir=gs://b/r"]
    assert main(["launch", *flags]) == 1
    assert "sky is not installed on this machine" in capsys.readouterr().err


@pytest.mark.slow
def test_two_local_processes_really_run(alone, tmp_path):
    flags = [*SMALL, "--config.devices_per_column=1"]
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=1",
        "NPROC": "8",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-m", "transfer_jax", "launch", "--on=local", "--processes=2",
         f"--workdir={tmp_path / 'two'}", *flags],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "two", alone)


def test_a_terminals_ctrl_c_reaches_each_process_once(capfd):
    """Through the one that started them: a second one would end them without a checkpoint."""
    code = "import os; os.write(1, b'%d\\n' % (os.getpgrp() == os.getpgid(os.getppid())))"
    assert run_all([[sys.executable, "-c", code]] * 2) == 0
    assert capfd.readouterr().out.split() == ["0", "0"]
