"""Modules that moved are found under the names that they had."""

import importlib
import subprocess
import sys

import pytest

from transfer_jax.old_names import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_module_that_it_is_now(old):
    with pytest.warns(DeprecationWarning, match=f"{old} is {MOVED[old]} now"):
        sys.modules.pop(old, None)
        found = importlib.import_module(old)
    assert found is importlib.import_module(MOVED[old])
    assert found.__name__ == MOVED[old]


def test_all_ways_to_import_give_one_module():
    code = (
        "from transfer_jax import lock; from transfer_jax.lock import Lock\n"
        "from transfer_jax.launch import local; from transfer_jax.launch.local import run_all\n"
        "from transfer_jax.commands.launchers.local import run_all as now\n"
        "from transfer_jax.folder.lock import Lock as Now\n"
        "assert run_all is local.run_all is now and Lock is lock.Lock is Now"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"transfer_jax\.lok"):
        importlib.import_module("transfer_jax.lok")
