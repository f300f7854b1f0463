"""The files of configs: where they lie, and what they say."""

import difflib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from transfer_jax.plan.fields import ConfigError


def shipped_configs() -> dict[str, Path]:
    """The configs that travel with the package.

    Returns:
      Name to file.

    Example:
      >>> "fashion_mnist" in shipped_configs()
      True
    """
    spec = importlib.util.find_spec("transfer_jax.configs")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return {
        path.stem: path
        for folder in folders
        for path in sorted(Path(folder).glob("*.py"))
        if not path.stem.startswith("_")
    }


def find_config(name: str) -> Path:
    """The file of a config: a path that exists, else a config of the package.

    Args:
      name: a path such as `configs/fashion_mnist.py`, or a name such as `fashion_mnist`.

    Returns:
      The file.

    Raises:
      ConfigError: there is none; the configs of the package are named. Source that is not installed
        has none.

    Example:
      >>> find_config("configs/fashion_mnist.py").name
      'fashion_mnist.py'
    """
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_configs()
    if name in shipped:
        return shipped[name]
    if Path(name).parent.name in ("", "configs") and Path(name).stem in shipped:
        return shipped[Path(name).stem]
    if not shipped:
        source = Path(__file__).parents[1]
        raise ConfigError(
            f"no config '{name}': {source} is source that is not installed, and has none; "
            "allowed: a file, or what is installed, as by pip install -e ."
        )
    near = difflib.get_close_matches(Path(name).stem, shipped, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"no config '{name}'; configs: {', '.join(shipped)}{hint}")


def stated_in(path: Path) -> ConfigDict | dict[str, Any]:
    """What a config file says.

    Args:
      path: a Python file, which is executed, or the `config.json` of a run's folder.

    Returns:
      What `get_config()` returns, or what JSON holds.

    Raises:
      ConfigError: it cannot be loaded, or holds something else.

    Example:
      >>> stated_in(find_config("fashion_mnist")).seeds
      6
    """
    try:
        if path.suffix == ".json":
            held = json.loads(path.read_text())
        else:
            held = _load_module(path).get_config()
    except (Exception, SystemExit) as error:  # whatever a user's file raises is told in one line
        raise ConfigError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    if path.suffix != ".json" and not isinstance(held, ConfigDict):
        raise ConfigError(f"{path}: get_config() returns {type(held).__name__}, not ConfigDict")
    if not isinstance(held, ConfigDict | dict):
        raise ConfigError(f"{path} holds no fields")
    return held


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
