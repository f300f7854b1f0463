"""A config's field, said once: its default, a line about it, what it may hold, what it changes."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple

SETTING = "setting"


class ConfigError(ValueError):
    """A config that does not exist, cannot be read, or asks for what is impossible."""


class Affects(Enum):
    """What is other when a field is other."""

    RUNNING = auto()  # how a run goes about its work: no number
    COLUMNS = auto()  # which columns there are
    INPUTS = auto()  # the arrays that a column is given
    STATE = auto()  # the optimizer's state
    CONDITIONS = auto()  # the program of conditions, but not that of base networks
    PROGRAM = auto()  # every compiled program


@dataclass(frozen=True)
class Words:
    """What a text must look like.

    Attributes:
      pattern: a regular expression of all of it.
      what: what such a text is.
      allowed: the same in words.
    """

    pattern: str
    what: str
    allowed: str


@dataclass(frozen=True)
class Setting:
    """What is known of a field beside its type and default.

    Attributes:
      doc: a line about it.
      affects: what it changes; None: what the part that it belongs to changes.
      low, high: the least and the greatest number.
      above, below: bounds that are no longer allowed themselves.
      choices: the texts that are allowed; empty allows all.
      words: what texts must look like, or the names of a free-form part.
      some: what to say where a tuple is empty; an empty text lets it be empty.
      distinct: whether no value of a tuple may stand there twice.
      by_name: gives the kind of a part whose fields depend on its `name`; an empty name is the
        default's.
    """

    doc: str = ""
    affects: Affects | None = None
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    words: Words | None = None
    some: str = ""
    distinct: bool = False
    by_name: Callable[[str], type] | None = None


def setting(default: Any, doc: str, **known: Any) -> Any:
    """A field of a frozen dataclass of the config.

    Args:
      default: its value where a config says nothing; `dataclasses.MISSING` for a field that must
        be given, a function to make it with for what is not hashable.
      doc: a line about it.
      **known: the attributes of `Setting`.

    Returns:
      What `dataclasses.field` returns.

    Example:
      >>> @dataclass(frozen=True)
      ... class Part:
      ...     steps: int = setting(5, "training steps", low=1)
      >>> Part().steps
      5
    """
    metadata = {SETTING: Setting(doc, **known)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def setting_of(field: dataclasses.Field[Any]) -> Setting:
    """What is known of a field.

    Args:
      field: a field of a dataclass.

    Returns:
      What `setting` was told; nothing where the field was made without it.
    """
    return field.metadata.get(SETTING, Setting())


class Flat(NamedTuple):
    """A field by its dotted name."""

    name: str
    value: Any
    affects: Affects


def flat(part: Any, prefix: str = "", affects: Affects = Affects.PROGRAM) -> Iterator[Flat]:
    """Every field of a config, or of a part of it, by its dotted name.

    Args:
      part: a dataclass.
      prefix: what the names start with.
      affects: what the part changes.

    Returns:
      The fields, those of parts included.

    Example:
      >>> @dataclass(frozen=True)
      ... class Part:
      ...     steps: int = setting(5, "training steps")
      >>> [(field.name, field.value) for field in flat(Part(), "part.")]
      [('part.steps', 5)]
    """
    for field in dataclasses.fields(part):
        known = setting_of(field).affects or affects
        yield from _flat(f"{prefix}{field.name}", getattr(part, field.name), known)


def _flat(name: str, value: Any, affects: Affects) -> Iterator[Flat]:
    if dataclasses.is_dataclass(value):
        yield from flat(value, f"{name}.", affects)
    elif isinstance(value, Mapping):
        for key, own in value.items():
            yield from _flat(f"{name}.{key}", own, affects)
    else:
        yield Flat(name, value, affects)


def plain(part: Any) -> Any:
    """A config in dicts, tuples, numbers and texts.

    Args:
      part: a dataclass, a mapping, or a value.

    Returns:
      A dict of a dataclass or mapping; values as they are.

    Example:
      >>> @dataclass(frozen=True)
      ... class Part:
      ...     steps: int = setting(5, "training steps")
      >>> plain({"part": Part()})
      {'part': {'steps': 5}}
    """
    if dataclasses.is_dataclass(part):
        return {f.name: plain(getattr(part, f.name)) for f in dataclasses.fields(part)}
    if isinstance(part, Mapping):
        return {name: plain(value) for name, value in part.items()}
    return part
