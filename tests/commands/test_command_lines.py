"""Command lines and how they end: the status, and the one line that says what is wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import TINY
from transfer_jax.cli import main
from transfer_jax.commands.parser import COMMANDS, make_parser

# What a command cannot do without.
REQUIRED = {
    "ask": ["--weights=w.pth"],
    "export": ["run", "--to=a.safetensors"],
    "advise": ["x"],
    "sweep": ["--over=a=1"],
    "launch": ["--on=local"],
    "status": ["a"],
}
# Libraries that take time to import.
SLOW = {"jax", "numpy", "rich", "etils", "ml_collections", "matplotlib"}
WRONG_USAGE = [
    # Commands.
    ("rnu", "COMMAND is 'rnu'; allowed: run, ask, plan"),
    ("rnu", "; nearest: run;"),
    ("--wokdir=a", "unknown argument '--wokdir=a'"),
    ("--config=fashion_mnist plan", "unknown argument '--config=fashion_mnist'"),
    # Arguments of no command.
    ("run --wokdir=a", "unknown argument '--wokdir=a'; nearest: --workdir; see transfer-jax run -"),
    ("run --work=a", "unknown argument '--work=a'; nearest: --workdir"),
    ("plan extra", "unknown argument 'extra'"),
    ("status a b", "unknown argument 'b'"),
    ("prepare --workdir=a", "unknown argument '--workdir=a'"),
    ("report --config.seeds=3 a", "unknown argument '--config.seeds=3'"),
    ("--config.seeds=3 status a", "unknown argument '--config.seeds=3'"),
    # Values that are missing.
    ("run --config", "--config expected one argument"),
    ("run --workdir --config.seeds=3", "--workdir expected one argument"),
    ("run --config.seeds", "'--config.seeds' has no value; write --config.seeds=VALUE"),
    ("run --config.seeds 5", "'--config.seeds' has no value; write --config.seeds=VALUE"),
    ("--config.seeds plan", "'--config.seeds' has no value; write --config.seeds=VALUE"),
    ("sweep", "required: --over"),
    ("launch", "required: --on"),
    ("status", "required: workdir"),
    ("report", "report needs the folder of a run, or --reference"),
    # Empty ones.
    ("run --config=", "--config is empty"),
    ("run --workdir=", "--workdir is empty"),
    ("sweep --workdir= --over seeds=1,2", "--workdir is empty"),
    ("report --to= .", "--to is empty"),
    ("prepare --manual_dir=", "--manual_dir is empty"),
    ("launch --on=local --name=", "--name is empty"),
    # Values of the wrong kind.
    ("launch --on=slurm", "--on is 'slurm'; allowed: skypilot, queued-resource, gcluster, local"),
    ("report --every=0 a", "--every is 0; allowed: whole numbers from 1"),
    ("report --every=soon a", "--every is 'soon'; allowed: whole numbers from 1"),
    ("prepare --workers=-1", "--workers is -1; allowed: whole numbers from 1"),
    ("run --processes=two", "--processes is 'two'; allowed: whole numbers from 1"),
    ("run --process=x", "--process is 'x'; allowed: whole numbers from 0"),
    # Arguments that do not go together.
    ("run --processes=2", "several processes need --coordinator, --process too"),
    ("plan --images=a", "--images is of a question, as `ask` takes it: give --weights, and no "),
    ("plan --budget=2", "--budget is of a question, as `ask` takes it: give --weights, and no "),
    ("plan --config=pretrained --weights=w.pth", "--weights not allowed with argument --config"),
    ("report --watch . .", "--watch follows one run; give one folder"),
]
FAILURES = [
    ("run --config=configs/none.py", "no config 'configs/none.py'; configs: cifar100"),
    ("plan --config=fashion_mnits", "did you mean fashion_mnist?"),
    ("run --config.sedes=3", "no field 'sedes' in this config; nearest: seeds"),
    ("--config.sedes=3 run", "no field 'sedes' in this config; nearest: seeds"),
    ("run --config.seeds=many", "seeds"),
    ("run --config.cuts=(0,)", "n = 0 is no cut of a network of 6 layers; allowed: 1 ... 5"),
    ("run --config.cuts=(6,)", "n = 6 is no cut"),
    ("run --config.named_splits.distant.A=()", "task A has no classes"),
    ("run --config.named_splits.distant.A=('Bag',)", "tasks A and B overlap in Bag"),
    ("run --config.named_splits.distant.A=('Sock',)", "no class 'Sock' in this dataset"),
    ("run --workdir=/dev/null/a", "/dev/null/a is a file, or lies in one; a run needs a folder"),
    (
        "run --workdir=s3://bucket/a",
        "workdir is 's3://bucket/a'; allowed: a folder of this machine",
    ),
    ("run --workdir=gs:/bucket/a", "workdir is 'gs:/bucket/a'; allowed: a folder of this"),
    ("run --workdir=gs://", "workdir is 'gs://'; allowed: a folder of this machine, gs://BUCKET"),
    ("plan --workdir=file:///a", "workdir is 'file:///a'; allowed"),
    ("status s3://bucket/a", "workdir is 's3://bucket/a'; allowed"),
    ("report http://host/a", "workdir is 'http://host/a'; allowed"),
    ("report --reference --to=s3://bucket/a", "--to is 's3://bucket/a'; allowed"),
    ("run --config.bases=s3://bucket/a", "bases is 's3://bucket/a'; allowed"),
    ("run --config=cifar100 --config.data.folder=gs://bucket/a", "must be on a disk of this"),
    (
        "prepare --config=cifar100 --config.data.folder=gs://bucket/a",
        "it must be on a disk of this",
    ),
    (
        "prepare --config=cifar100 --data_dir=gs://bucket/a",
        "--data_dir is 'gs://bucket/a'; it",
    ),
    ("run --config.devices_per_column=3", "devices_per_column is 3; it must divide the"),
    ("run --config.packing=both", "packing is 'both'; allowed: unroll, vmap"),
    ("run --coordinator=a:1 --processes=2 --process=2", "process is 2; allowed: 0 ... 1"),
    ("plan --accelerator=v99", "v99"),
    ("report nowhere", "nowhere is not there"),
    ("status nowhere", "nowhere holds no run"),
]


def command(
    *arguments: str, folder: Path | None = None, **environment: str
) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "transfer_jax", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "message"), WRONG_USAGE)
def test_a_wrong_command_line_is_one_line_and_status_2(line, message, elsewhere, capsys):
    assert main(line.split(" ")) == 2
    told(capsys.readouterr(), message)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(("line", "message"), FAILURES)
def test_what_cannot_be_done_is_one_line_and_status_1(line, message, elsewhere, capsys):
    assert main(line.split(" ")) == 1
    told(capsys.readouterr(), message)
    assert not [path for path in elsewhere.iterdir() if path.name not in ("runs", "data")]


def told(captured, message: str) -> None:
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) == 1, captured.err
    assert message in captured.err


def test_no_command_is_help_and_status_2(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "usage: transfer-jax" in captured.err
    assert all(name in captured.err for name in COMMANDS)


def test_help_shows_the_default_of_every_option(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(len(line) <= 80 for line in shown.splitlines())
        parser = make_parser().parse_known_args([name, *REQUIRED.get(name, [])])[0].parser
        for action in parser._actions:
            text = (action.help or "") % vars(action)
            if not action.required and action.option_strings and action.dest != "help":
                group = action.dest in ("coordinator", "processes", "process")
                assert "default: " in text or group, f"{name} {action.option_strings}"
            if action.default not in (None, False, [], "==SUPPRESS=="):
                assert str(action.default) in text


@pytest.mark.parametrize("line", ["--help", "--version", *(f"{name} --help" for name in COMMANDS)])
def test_help_loads_nothing_but_the_command_line(line):
    script = (
        "import sys\nfrom transfer_jax.cli import main\n"
        f"assert main({line.split()}) == 0\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        f"print(*(loaded & {SLOW}), end='')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rpartition("\n")[2] == ""


def test_the_version_is_that_of_the_package(capsys):
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"transfer-jax {version('transfer_jax')}\n"


def test_an_override_may_stand_anywhere_and_hold_spaces(elsewhere, capsys):
    assert main(["--config.cuts=(1, 9)", "plan"]) == 1
    told(capsys.readouterr(), "n = 9 is no cut")


def test_a_reader_who_leaves_is_no_error(tmp_path):
    """As `transfer-jax plan | head -1`, where head has gone before the first line comes."""
    for arguments in (["plan", *TINY], ["--help"], ["report", "--reference"]):
        with command(*arguments, folder=tmp_path) as process:
            assert process.stdout and process.stderr
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(120) == 0
    assert (tmp_path / "runs" / "reference" / "reference.html").exists()


def test_a_full_disk_behind_the_output_is_an_error(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "transfer_jax", "plan", *TINY],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "transfer-jax: No space left on device\n")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc on this machine")
@pytest.mark.parametrize(
    ("library", "later"),
    [("multiarray_umath", 0.0), ("jaxlib", 0.0), ("jaxlib", 2.0)],
    ids=["while NumPy is imported", "while JAX is imported", "while it works"],
)
def test_ctrl_c_at_any_moment_is_one_line_and_status_130(library, later, tmp_path):
    process = command("plan", folder=tmp_path)
    maps, end = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while library not in maps.read_text():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.002)
    time.sleep(later)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == "interrupted\n"  # There is nothing that it could go on from.
    assert out == ""


@pytest.mark.parametrize("module", ["transfer_jax", "transfer_jax.cli"])
def test_each_module_that_is_a_command_is_the_whole_one(module, tmp_path):
    """One that does nothing would end as if all were done."""
    line = [sys.executable, "-m", module]
    shown = subprocess.run([*line, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("transfer-jax ")
    wrong = subprocess.run([*line, "rnu"], capture_output=True, text=True, cwd=tmp_path)
    assert wrong.returncode == 2 and "nearest: run" in wrong.stderr
