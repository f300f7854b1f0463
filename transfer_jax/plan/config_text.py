"""A config as a Python file: every field, with a line about each."""

import dataclasses
import json
import pprint
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from transfer_jax.plan.fields import plain, setting_of
from transfer_jax.plan.schema import Config

WIDTH = 100
INDENT = "    "
HEAD = '''"""The config {name}, whole.

    transfer-jax run --config=THIS_FILE
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Every field, and what it means."""
'''


def as_json(config: Config) -> dict[str, Any]:
    """A config as it reads back from JSON.

    Args:
      config: the config.

    Returns:
      Plain dicts, lists and scalars.

    Example:
      >>> as_json(Config(cuts=(1, 2)))["cuts"]
      [1, 2]
    """
    return json.loads(json.dumps(plain(config)))


def config_text(config: Config) -> str:
    """A config as a Python file that gives this very config.

    Args:
      config: the config.

    Returns:
      The file's text.

    Example:
      >>> print(config_text(Config(steps=31)).splitlines()[-1])
          return config
    """
    lines = ["config = ConfigDict()", *_part(config, "config"), "return config"]
    body = "\n".join(f"{INDENT}{line}".rstrip() for line in lines)
    return HEAD.format(name=config.name) + re.sub(r"\n{3,}", "\n\n", body) + "\n"


def _part(part: Any, name: str) -> Iterator[str]:
    for field in dataclasses.fields(part):
        value, doc = getattr(part, field.name), setting_of(field).doc
        left = f"{name}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from ("", *_comment(doc), f"{left} = ConfigDict()", *_part(value, left), "")
        elif isinstance(value, Mapping):
            yield from (*_comment(doc), f"{left} = ConfigDict()")
            for key, own in value.items():
                yield from _assignment(f"{left}[{key!r}]", own)
        else:
            yield from _field(left, value, doc)


def _field(left: str, value: Any, doc: str) -> Iterator[str]:
    """An assignment, and what the field means: behind it, or above it where that is too long."""
    first, *rest = _assignment(left, value)
    if not rest and len(f"{INDENT}{first}  # {doc}") <= WIDTH:
        yield f"{first}  # {doc}"
    else:
        yield from (*_comment(doc), first, *rest)


def _assignment(left: str, value: Any) -> list[str]:
    room = WIDTH - len(f"{INDENT}{left} = ConfigDict()")
    right = pprint.pformat(plain(value), width=max(40, room), compact=True, sort_dicts=False)
    whole = (
        f"{left} = ConfigDict({right})" if dataclasses.is_dataclass(value) else f"{left} = {right}"
    )
    first, *rest = whole.splitlines()
    return [first, *(f"{INDENT}{line}" for line in rest)]


def _comment(doc: str) -> list[str]:
    return textwrap.wrap(doc, WIDTH - len(INDENT), initial_indent="# ", subsequent_indent="# ")
