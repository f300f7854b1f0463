"""Names of devices that are not here, and chips' figures."""

import os

import pytest

from transfer_jax.cli import main
from transfer_jax.plan.accelerators import ACCELERATORS, accelerator
from transfer_jax.plan.compilation.compiled import Compiled, bytes_on_a_device
from transfer_jax.plan.compilation.topologies import SLICES, Topology, TopologyError, topology


@pytest.mark.parametrize(
    ("name", "chip", "chips", "platform"),
    [
        ("v5e:4x4", "v5e", 16, "tpu"),
        ("V5E:4x4", "v5e", 16, "tpu"),
        ("v5e:1x1", "v5e", 1, "tpu"),
        ("v4:2x2x1", "v4", 4, "tpu"),
        ("v6e:16X16", "v6e", 256, "tpu"),
        ("2xv5e:4x4", "v5e", 32, "tpu"),
        ("v5e-16", "v5e", 16, "tpu"),
        # Google's names count two cores a chip here.
        ("v4-8", "v4", 4, "tpu"),
        ("v5p-128", "v5p", 64, "tpu"),
        ("h100", "h100", 1, "gpu"),
        ("H200:8", "h200", 8, "gpu"),
        ("A100", "a100", 1, "gpu"),
    ],
)
def test_a_name_says_what_and_how_many(name, chip, chips, platform):
    found = topology(name)
    assert (found.chip.name, found.chips, found.platform) == (chip, chips, platform)


def test_a_type_of_machine_is_a_slice_of_as_many_chips():
    """As Google says: a v4 or v5p of 32 has 16 chips, a v5e or v6e 32."""
    for chip, sizes in SLICES.items():
        for size in sizes:
            cores = 2 if chip in ("v4", "v5p") else 1
            assert topology(f"{chip}-{size}").chips * cores == size


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("v7:2x2", ["there is no TPU 'v7'", "TPUs: v4, v5e, v5p, v6e"]),
        ("v5:4x4", ["there is no TPU 'v5'", "nearest: v5"]),
        ("h1000", ["there is no GPU 'h1000'", "GPUs: a100, h100, h200", "nearest: h100"]),
        ("v5e-7", ["'v5e-7'", "of v5e there are 1, 4, 8", "nearest: v5e-8"]),
        ("v5e", ["topology is 'v5e'", "allowed: v5e:4x4, v5e-16, 2xv5e:4x4"]),
        ("v5e:4x4x4x4", ["topology is 'v5e:4x4x4x4'", "allowed: v5e:4x4"]),
        ("h100:0", ["topology is 'h100:0'", "allowed: 1 to 10000 chips"]),
        ("v5e:9999x9999", ["allowed: 1 to 10000 chips"]),
        ("0xv5e:2x2", ["allowed: 1 to 10000 chips"]),
    ],
)
def test_a_name_of_nothing_is_told_in_one_line(name, words, capsys):
    with pytest.raises(TopologyError) as error:
        topology(name)
    assert main(["plan", f"--topology={name}"]) == 1
    assert capsys.readouterr().err == f"transfer-jax: {error.value}\n"
    assert all(word in str(error.value) for word in words)


def test_where_is_said_in_one_way_only(capsys):
    assert main(["plan", "--topology=v5e:2x2", "--accelerator=v5e"]) == 2
    told = "transfer-jax plan: --topology and --accelerator both say where; give one of them"
    assert told in capsys.readouterr().err
    assert main(["plan", "--topology="]) == 2
    assert "--topology is empty" in capsys.readouterr().err


def test_a_compiler_that_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "libtpu", None)
    assert main(["plan", "--topology=v5e:2x2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "Compiling for v5e:2x2 on this machine needs: pip install 'transfer_jax[topology]'" in line
    )


def test_a_gpus_compiler_is_told_what_a_run_tells_it(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(Topology, "devices", _no_compiler)
    assert main(["plan", "--topology=h100"]) == 1
    assert os.environ["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=true"


def _no_compiler(_):
    raise TopologyError("there is no compiler")


def test_a_chip_is_found_in_letters_of_any_case():
    assert accelerator("H100") is ACCELERATORS["h100"]


@pytest.mark.parametrize(
    ("chip", "tera", "gibibytes", "gigabytes_a_second"),
    # Of the makers: TFLOP/s in bfloat16, memory, GB/s.
    [
        ("v4", 275, 32, 1228), ("v5e", 197, 16, 819), ("v5p", 459, 96, 2765),
        ("v6e", 918, 32, 1640), ("a100", 312, 80, 2039), ("h100", 989.4, 80, 3350),
        ("h200", 989.4, 141, 4800),
    ],
)  # fmt: skip
def test_a_chip_does_what_its_maker_says(chip, tera, gibibytes, gigabytes_a_second):
    found = accelerator(chip)
    assert found.peak("bfloat16") == pytest.approx(tera * 1e12)
    assert found.bandwidth == pytest.approx(gigabytes_a_second * 1e9)
    # A compiler keeps at most a twentieth for itself.
    assert 0.95 * gibibytes < found.memory / 2**30 <= gibibytes


def test_float32_convolutions_are_bfloat16_on_a_tpu_and_tf32_on_a_gpu():
    assert accelerator("v5e").peak("float32") == accelerator("v5e").peak("bfloat16")
    assert accelerator("a100").peak("float32") == accelerator("a100").peak("bfloat16") / 2


def test_the_roofline_is_the_longer_of_arithmetic_and_memory():
    """CaffeNet on a v5e in bfloat16: 9.07 TFLOP take 46 ms and 146 GB take 178 ms."""
    chip = accelerator("v5e")
    found = Compiled(0, 0, flop=9.07e12, moved=146e9)
    assert found.arithmetic_seconds(chip, "bfloat16") == pytest.approx(0.0460, abs=1e-4)
    assert found.call_seconds(chip, "bfloat16") == pytest.approx(0.1783, abs=1e-4)
    assert found.bound(chip, "bfloat16") == "memory"
    little = Compiled(0, 0, flop=9.07e12, moved=30e9)
    assert little.call_seconds(chip, "bfloat16") == pytest.approx(0.0460, abs=1e-4)
    assert little.bound(chip, "bfloat16") == "arithmetic"


def test_memory_is_what_goes_in_and_comes_out_less_what_is_overwritten():
    assert Compiled(10, 7, results=6, overwritten=5).memory == 18


def test_a_topology_is_of_tpus_or_of_gpus():
    assert Topology("x", accelerator("v5e"), (2, 2), 2).chips == 8
    assert not topology("h100").is_tpu


def test_bytes_on_a_device_are_those_of_its_part():
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from transfer_jax.engine.mesh import COLUMN, column_mesh

    sharding = NamedSharding(column_mesh(1), PartitionSpec(COLUMN))
    whole = jax.ShapeDtypeStruct((1, 5), "bfloat16", sharding=sharding)
    assert bytes_on_a_device(whole) == 10
