"""Configs: an ml_collections file, and fields overridden on the command line."""

import difflib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import ConfigDict, config_flags

# ml_collections types each field as a union of all it could be, which checks nothing.
if TYPE_CHECKING:
    Config = Any
else:
    Config = ConfigDict


# How a run goes about its work; none of it changes a number. Configs may leave these out.
RUNNING: dict[str, Any] = {
    "bases": "",  # folder of a run of the same config whose base networks are taken over
    "checkpoint": {
        "minutes": 5.0,  # between two checkpoints; 0: none by time
        "steps": 0,  # likewise
        "grace": 25.0,  # seconds from SIGTERM or SIGINT to the end at the latest
        "networks": "bases",  # "all": the trained layers of every condition are kept too
    },
    "logs": {
        "every": 20,  # steps between two lines; a stop is seen then too
        "tensorboard": True,
    },
    "profile_steps": (0, 0),  # first and last step, of the first columns, that are profiled
}
RUNNING_FIELDS = (*RUNNING, "reading")
# The file that says what a folder of several runs varies.
SWEEP = "sweep.json"
# What is measured of a column's networks beside their accuracy. Configs may leave these out.
MEASURED: dict[str, Any] = {
    "controls": (),  # any of cka, stitching, barrier, reinitialisation, scores
    "control_examples": 500,  # images that networks are looked at with
}


class ConfigError(ValueError):
    """A config that does not exist, cannot be read, or asks for what is impossible."""


def load_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """The config in a file, with overrides.

    Args:
      name: a path, or the name of a config that travels with the package; the file defines
        `get_config()`, or is the `config.json` of a run's folder.
      overrides: `--config.field=value`, one string each.

    Returns:
      The config, locked: no field can be added.

    Raises:
      ConfigError: no such config, no such field, or a value of the wrong type.

    Example:
      >>> load_config("fashion_mnist", ["--config.seeds=5"]).seeds
      5
    """
    path = find_config(name)
    config = with_defaults(_get_config(path))
    for override in overrides:
        _check_override(config, override)
    _apply_scale(config, overrides)
    values = flags.FlagValues()
    arguments = [str(path), *overrides]
    try:
        holder = config_flags.DEFINE_config_dict(
            "config", config.lock(), flag_values=values, sys_argv=arguments
        )
        values(arguments)
    except (flags.Error, AttributeError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"{path.name}: {' '.join(str(error).split())}") from None
    return holder.value


def with_defaults(config: Config) -> Config:
    """A config with every field that configs may leave out.

    Args:
      config: a config; fields that it has are kept.

    Returns:
      The config; it is changed in place where fields were missing.

    Example:
      >>> with_defaults(ConfigDict({"logs": {"every": 5}})).logs.tensorboard
      True
    """
    with config.unlocked():
        for name, default in (RUNNING | MEASURED).items():
            held = config.get(name)
            if isinstance(default, dict) and held is not None:
                default = {**default, **held}
            if held is None or isinstance(default, dict):
                config[name] = ConfigDict(default) if isinstance(default, dict) else default
    return config


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
      ConfigError: there is none; the configs of the package are named.

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
    near = difflib.get_close_matches(Path(name).stem, shipped, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"no config '{name}'; configs: {', '.join(shipped)}{hint}")


def flat_fields(config: Config, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every field of a config by its dotted name.

    Args:
      config: the config.
      prefix: what the names start with.

    Returns:
      (name, value) pairs.

    Example:
      >>> list(flat_fields(ConfigDict({"a": {"b": 1}})))
      [('a.b', 1)]
    """
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from flat_fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _get_config(path: Path) -> Config:
    if path.suffix == ".json":
        return _kept_config(path)
    try:
        config = _load_module(path).get_config()
    except Exception as error:  # whatever a user's file raises is told in one line
        raise ConfigError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"{path}: get_config() returns {type(config).__name__}, not ConfigDict")
    return config


def _kept_config(path: Path) -> Config:
    """The config that a run's folder keeps, so that anyone can repeat the run."""
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be loaded: {error}") from None
    if not isinstance(held, dict):
        raise ConfigError(f"{path} holds no fields")
    return ConfigDict(_with_tuples(held))


def _with_tuples(value: Any) -> Any:
    """JSON has lists where configs have tuples."""
    if isinstance(value, dict):
        return {name: _with_tuples(own) for name, own in value.items()}
    return tuple(_with_tuples(own) for own in value) if isinstance(value, list) else value


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _apply_scale(config: Config, overrides: Sequence[str]) -> None:
    """Give fields the values of the scale that is asked for, such as `tiny`."""
    if "scales" not in config:
        return
    scales = config.scales
    del config.scales
    asked = [o.partition("=")[2] for o in overrides if o.startswith("--config.scale=")]
    name = asked[-1] if asked else config.scale
    if name in scales:
        config.update(scales[name])
    elif name != config.scale:
        raise ConfigError(f"no scale '{name}'; scales: {config.scale}, {', '.join(scales)}")


def _check_override(config: Config, override: str) -> None:
    field, equals, _ = override.removeprefix("--config.").partition("=")
    if not override.startswith("--config."):
        raise ConfigError(f"unknown argument '{override}'")
    if not equals:
        raise ConfigError(f"'{override}' has no value; write --config.{field}=VALUE")
    names = [name for name, _ in flat_fields(config) if not name.startswith("scales.")]
    if field not in names:
        near = difflib.get_close_matches(field, names, n=1, cutoff=0.0)[0]
        raise ConfigError(f"no field '{field}' in this config; nearest: {near}")
