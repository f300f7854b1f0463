"""A name of a config is what is built in, or a function of one's own; else one line says why."""

import sys

import pytest

from transfer_jax.grid.registry import RegistryError, is_own, named, source_file

BUILT_IN = {"convnet": 1, "caffenet": 2}
MODULE = """
import math
SIZE = 3
def tall(): return "tall"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_function_is_found_in_a_module_of_this_folder(here):
    (here / "odd_nets.py").write_text(MODULE)
    path = list(sys.path)
    assert named("network.name", "odd_nets:tall", BUILT_IN)() == "tall"
    assert sys.path == path
    assert source_file("odd_nets:tall") == here / "odd_nets.py"
    assert source_file("convnet") is None


def test_what_is_installed_comes_before_what_lies_in_this_folder(here):
    (here / "json.py").write_text("def loads(text): return 'mine'\n")
    assert named("network.name", "json:loads", {})("1") == 1


def test_what_is_built_in_is_found_by_its_name():
    assert named("network.name", "caffenet", BUILT_IN) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("convnt", "allowed: convnet, caffenet, PACKAGE.MODULE:FUNCTION; nearest: convnet"),
        ("", "network.name is ''; allowed: convnet"),
        ("a:b:c", "network.name is 'a:b:c'; allowed: convnet"),
        ("../nets:tall", "network.name is '../nets:tall'; allowed: convnet"),
        ("no_such_module:f", "there is no module no_such_module in this folder or among what is"),
        ("json.no_such:f", "there is no module json.no_such"),
        ("odd_nets:tal", "but odd_nets has no tal; nearest: tall"),
        ("odd_nets:SIZE", "but odd_nets has SIZE, which is no function"),
        ("needy:f", "but needy needs not_installed_at_all, which is not installed"),
        ("broken:f", "but broken cannot be imported: ValueError: two lines"),
        ("wrong:f", "but wrong cannot be imported: SyntaxError"),
    ],
)
def test_a_name_that_stands_for_nothing_is_told_in_one_line(name, said, here):
    (here / "odd_nets.py").write_text(MODULE)
    (here / "needy.py").write_text("import not_installed_at_all\n")
    (here / "broken.py").write_text("raise ValueError('two\\nlines')\n")
    (here / "wrong.py").write_text("def f(:\n")
    with pytest.raises(RegistryError) as error:
        named("network.name", name, BUILT_IN)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_only_a_path_of_modules_and_one_function_is_a_name_of_ones_own():
    assert is_own("nets:tall") and is_own("lab.nets_2.tall:make")
    assert not any(map(is_own, ("nets", "nets:", ":tall", "nets.:tall", "1nets:f", "nets:a.b")))
