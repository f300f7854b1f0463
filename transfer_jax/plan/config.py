"""Configs: an ml_collections file that says what differs, and fields given on the command line."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

from transfer_jax.plan.config_files import find_config, stated_in
from transfer_jax.plan.field_checks import Typed, UnknownField, names, read
from transfer_jax.plan.fields import ConfigError, plain

# The schema names networks and what else JAX makes: it is imported when a config is read, so that
# help comes at once.
if TYPE_CHECKING:
    from transfer_jax.plan.schema import Config

TFDS = "tfds:"
DEEPEST = 20
Stated = dict[str, Any]


def load_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """The config in a file, with overrides.

    Args:
      name: a path, or the name of a config that travels with the package; the file defines
        `get_config()`, or is the `config.json` of a run's folder.
      overrides: `--config.field=value`, one string each; of a field given twice the last one wins.

    Returns:
      The config; what neither file nor overrides say is its default.

    Raises:
      ConfigError: no such config, no such field, or a value that a field may not hold.

    Example:
      >>> load_config("fashion_mnist", ["--config.seeds=5"]).seeds
      5
    """
    path = find_config(name)
    held, asked = _plain(stated_in(path)), _asked(overrides)
    try:
        stated = _scaled(held, asked.get("scale"))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return _whole(stated, asked)


def read_config(config: Config | ConfigDict | Mapping[str, Any]) -> Config:
    """A config from what states it.

    Args:
      config: what a config file's `get_config()` returns; or a config, which is checked again.

    Returns:
      The config; what is not stated is its default.

    Raises:
      ConfigError: there is no such field, or a field holds what it may not.

    Example:
      >>> read_config(ConfigDict({"logs": {"every": 5}})).logs.every
      5
    """
    return _whole(_scaled(_plain(config), None), {})


def _plain(config: Any, depth: int = 0) -> Any:
    """What is stated, in dicts; their values are looked at where they are read."""
    if depth > DEEPEST:
        raise ConfigError("its parts lie in each other without end")
    if dataclasses.is_dataclass(config):
        return plain(config)
    if isinstance(config, ConfigDict | Mapping):
        return {str(name): _plain(_held(config, name), depth + 1) for name in config}
    if depth == 0:
        raise ConfigError(f"a config is {type(config).__name__}; allowed: ConfigDict")
    return config


def _held(config: Any, name: str) -> Any:
    try:
        return config[name]
    except Exception as error:  # A reference of ml_collections may have no value.
        raise ConfigError(f"{name} has no value: {error}") from None


def _asked(overrides: Sequence[str]) -> Stated:
    """What the command line says, in parts as a config is; the last one of a field wins."""
    asked: Stated = {}
    for override in overrides:
        field, equals, text = override.removeprefix("--config.").partition("=")
        if not override.startswith("--config."):
            raise ConfigError(f"unknown argument '{override}'")
        if not equals:
            raise ConfigError(f"'{override}' has no value; write --config.{field}=VALUE")
        *parts, last = field.split(".")
        part = asked
        for name in parts:
            part = part.setdefault(name, {})
            if not isinstance(part, dict):
                raise ConfigError(f"'{override}' is of a part that is also given a value")
        part[last] = Typed(text)
    return asked


def _scaled(stated: Stated, asked: Any) -> Stated:
    """What is stated at the scale that is asked for, such as `tiny`; all scales are checked."""
    _read(own := {name: value for name, value in stated.items() if name != "scales"})
    scales = stated.get("scales", {})
    if not isinstance(scales, dict):
        raise ConfigError(f"scales is {scales!r}; allowed: names of scales, and what differs there")
    for name, other in scales.items():
        if not isinstance(other, dict):
            raise ConfigError(f"scales.{name} is {other!r}; allowed: a part of the config")
        try:
            _read(_merged(own, other))
        except ConfigError as error:
            raise ConfigError(f"scales.{name}: {error}") from None
    now = own.get("scale", "full")
    name = now if asked is None else str(asked)
    if name in scales:
        return _merged(own, {**scales[name], "scale": name})
    if name != now:
        raise ConfigError(f"no scale '{name}'; scales: {', '.join([now, *scales])}")
    return own


def _merged(stated: Stated, more: Stated) -> Stated:
    """What both say; where both say something, what the second says."""
    merged = dict(stated)
    for name, value in more.items():
        held = merged.get(name)
        if isinstance(held, dict) and isinstance(value, dict):
            value = _merged(held, value)
        merged[name] = value
    return merged


def _whole(stated: Stated, asked: Stated) -> Config:
    from transfer_jax.data.sources import needs_preparing
    from transfer_jax.plan.pretrained_checks import check_pretrained
    from transfer_jax.plan.schema import check_together

    stated, asked = _with_the_folder_meant(stated, asked)
    own = _without_the_other_kinds(_without_the_other_data(stated, asked), asked)
    config = _read(_merged(own, asked))
    data = config.data
    if not data.folder and needs_preparing(data.source):
        folder = "data/" + re.sub(r"[^\w.+-]", "_", data.source.removeprefix(TFDS))
        config = dataclasses.replace(config, data=dataclasses.replace(data, folder=folder))
    check_together(config)
    check_pretrained(config)
    return config


def _read(stated: Stated) -> Config:
    from transfer_jax.plan.schema import Config

    try:
        return read(Config, stated)
    except UnknownField as error:
        known = list(names(Config, stated))
        raise ConfigError(f"{error}; nearest: {_nearest(error.name, known)}") from None


def _nearest(name: str, known: Sequence[str]) -> str:
    """The name that is most like another, or whose last word is most like its last word."""

    def likeness(other: str) -> tuple[float, float]:
        last = difflib.SequenceMatcher(None, _last(name), _last(other)).ratio()
        both = difflib.SequenceMatcher(None, name, other).ratio()
        return max(last, both), both

    if (part := name.rpartition(".")[0]) in known:
        return part
    return max(known, key=likeness)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _without_the_other_kinds(stated: Stated, asked: Stated) -> Stated:
    """Of a network or optimizer that is changed by name, only the fields that the new one has."""
    from transfer_jax.plan.schema import Config

    kept = dict(stated)
    for field in ("network", "optimizer"):
        part, wanted = stated.get(field), asked.get(field)
        if not isinstance(part, dict) or not isinstance(wanted, dict) or "name" not in wanted:
            continue
        has = set(names(Config, {field: {"name": wanted["name"]}}))
        kept[field] = {name: value for name, value in part.items() if f"{field}.{name}" in has}
    return kept


def _with_the_folder_meant(stated: Stated, asked: Stated) -> tuple[Stated, Stated]:
    """Who names a folder of images and no dataset means those, not images that need no folder."""
    from transfer_jax.data.embedded import EMBEDDED
    from transfer_jax.data.sources import FOLDER
    from transfer_jax.plan.schema import Data

    held, wanted = (own.get("data", {}) for own in (stated, asked))
    if not isinstance(held, dict) or not isinstance(wanted, dict):
        return stated, asked
    both = {"source": Data().source, **held, **wanted}
    if not both.get("folder") or both["source"] not in EMBEDDED or "source" in wanted:
        return stated, asked
    if "folder" in wanted:
        return stated, {**asked, "data": {**wanted, "source": FOLDER}}
    return {**stated, "data": {**held, "source": FOLDER}}, asked


def _without_the_other_data(stated: Stated, asked: Stated) -> Stated:
    """What is stated, less what is about the file's dataset where the command line names another.

    Splits by rule fit every dataset, splits by class names the one that they were written for. How
    many images a class has, the authors' numbers and the run's name are about that one too.
    """
    from transfer_jax.plan.schema import RANDOM_SPLIT, WHOLE, Config

    data, wanted = stated.get("data", {}), asked.get("data", {})
    source = wanted.get("source") if isinstance(wanted, dict) else None
    if source is None or _dataset(source) == _dataset(data.get("source", Config().data.source)):
        return stated
    by_rule = re.compile(f"{RANDOM_SPLIT}|{WHOLE}")
    kept = {n: value for n, value in stated.items() if n not in ("reference", "splits")}
    splits = tuple(s for s in stated.get("splits", ()) if by_rule.fullmatch(s))
    folder = Path(wanted.get("folder") or data.get("folder") or _dataset(source)).name
    kept["name"] = re.sub(r"[^\w+ -]", "_", folder) or "experiment"
    numbers = ("train_per_class", "test_per_class")
    kept["data"] = {name: value for name, value in data.items() if name not in numbers}
    return {**kept, "splits": splits} if splits else kept


def _dataset(source: str) -> str:
    """A source without where it is had from, its version and its kind."""
    return re.split("[:/]", source.removeprefix(TFDS))[0]
