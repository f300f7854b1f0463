"""From what a file, a command line or JSON says to the dataclasses of a config, checked."""

import ast
import contextlib
import dataclasses
import math
import numbers
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from transfer_jax.grid.registry import RegistryError, nearest
from transfer_jax.plan.fields import ConfigError, Setting, setting_of

MOST_VALUES = 2000
LONGEST_TEXT = 4096
BOOLS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
EITHER = int | str
KINDS: dict[Any, str] = {
    int: "whole numbers", float: "numbers", str: "texts", bool: "True or False",
    EITHER: "whole numbers or names",
}  # fmt: skip
EXAMPLES: dict[Any, tuple[str, str]] = {
    int: ("(1,)", "(1, 3)"), float: ("(0.1,)", "(0.1, 0.3)"), str: ("('a',)", "('a', 'b')"),
    EITHER: ("(1,)", "('stem', 3)"),
}  # fmt: skip

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80
SHORT.maxtuple = SHORT.maxlist = 8


class Typed(str):
    """A value as it was typed: what it stands for is its field's type."""


class UnknownField(ConfigError):
    """A name that no field has."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no field '{name}' in this config")
        self.name = name


def read(kind: type, stated: Mapping[str, Any], prefix: str = "") -> Any:
    """A part of a config from what is stated of it.

    Args:
      kind: the part's dataclass; what is not stated is its default.
      stated: field to value; parts are mappings.
      prefix: what its fields' dotted names start with.

    Returns:
      The part.

    Raises:
      ConfigError: a field is unknown, missing, or holds what it may not; the field, the value and
        what is allowed are named.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Part:
      ...     steps: int = 5
      >>> read(Part, {"steps": Typed("7")})
      Part(steps=7)
    """
    own, hints = {field.name: field for field in dataclasses.fields(kind)}, get_type_hints(kind)
    for name in stated:
        if name not in own:
            raise UnknownField(f"{prefix}{name}")
    needed = [name for name, field in own.items() if _is_needed(field)]
    if set(needed) - set(stated):
        has = ", ".join(stated) or "nothing"
        raise ConfigError(f"{prefix.rstrip('.')} has {has}; it needs {' and '.join(needed)}")
    values = {
        name: _value(hints[name], setting_of(own[name]), value, f"{prefix}{name}")
        for name, value in stated.items()
    }
    return kind(**values)


def names(kind: type, stated: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of all fields that a config may have.

    Args:
      kind: a dataclass.
      stated: what is stated of it; it decides the kinds of parts that go by name.
      prefix: what the names start with.

    Returns:
      The names; those in free-form parts are not among them.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Part:
      ...     steps: int = 5
      >>> list(names(Part, {}, "part."))
      ['part.steps']
    """
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        below, hint = stated.get(field.name), hints[field.name]
        below = below if isinstance(below, Mapping) else {}
        if by_name := setting_of(field).by_name:
            hint = _kind(by_name, below.get("name", ""), field.name)
        if dataclasses.is_dataclass(hint):
            yield from names(hint, below, f"{prefix}{field.name}.")  # pyright: ignore
        else:
            yield f"{prefix}{field.name}"


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _value(hint: Any, known: Setting, value: Any, name: str) -> Any:
    if known.by_name:
        return _part_by_name(known, value, name)
    if dataclasses.is_dataclass(hint):
        below = _mapping(value, name, [field.name for field in dataclasses.fields(hint)])
        return read(hint, below, f"{name}.")  # pyright: ignore
    if get_origin(hint) is Mapping:
        return _free_form(hint, known, value, name)
    if isinstance(value, Mapping) and value:
        raise UnknownField(f"{name}.{next(iter(value))}")
    if isinstance(value, Typed):
        value = _from_text(hint, value)
    if get_origin(hint) is tuple:
        return _tuple(hint, known, value, name)
    return _scalar(hint, known, value, f"{name} is")


def _mapping(value: Any, name: str, fields: list[str]) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ConfigError(f"{name} is {_shown(value)}; allowed: a part with {', '.join(fields)}")


def _part_by_name(known: Setting, value: Any, name: str) -> Any:
    assert known.by_name
    below = _mapping(value, name, ["name, and the fields of what it names"])
    kind = _kind(known.by_name, below.get("name", ""), name)
    return read(kind, below, f"{name}.")


def _kind(by_name: Callable[[str], type], chosen: Any, name: str) -> type:
    """The dataclass of what a part's name stands for."""
    if not isinstance(chosen, str):
        raise ConfigError(f"{name}.name is {_shown(chosen)}; allowed: a line of text")
    try:
        return by_name(str(chosen))
    except RegistryError as error:
        raise ConfigError(str(error)) from None


def _free_form(hint: Any, known: Setting, value: Any, name: str) -> dict[str, Any]:
    own = get_args(hint)[1]
    words = known.words
    found = {}
    for key, below in _mapping(value, name, ["names of your own"]).items():
        if words and not re.fullmatch(words.pattern, str(key)):
            raise ConfigError(
                f"{name} holds {_shown(key)}, which is no {words.what}; allowed: {words.allowed}"
            )
        found[str(key)] = _value(own, Setting(some=known.some), below, f"{name}.{key}")
    return found


def _is_one(value: Any) -> bool:
    """Whether it is one name or number, which may stand alone."""
    if isinstance(value, str):
        return re.fullmatch(r"[\w.-]+", value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _tuple(hint: Any, known: Setting, value: Any, name: str) -> tuple[Any, ...]:
    own, *rest = get_args(hint)
    if own == EITHER and _is_one(value):
        value = (value,)
    if not isinstance(value, tuple | list):
        example = _example(own, known, value, several=rest != [...])
        raise ConfigError(
            f"{name} is {_shown(value)}; allowed: a tuple of {KINDS[own]}, such as {example}"
        )
    if rest != [...] and len(value) != 1 + len(rest):
        raise ConfigError(f"{name} is {_shown(value)}; allowed: {1 + len(rest)} {KINDS[own]}")
    if known.some and not value:
        raise ConfigError(f"{name} is empty; {known.some}")
    if len(value) > MOST_VALUES:
        raise ConfigError(f"{name} holds {len(value)} values; allowed: up to {MOST_VALUES}")
    found = tuple(_scalar(own, known, item, f"{name} holds") for item in value)
    if known.distinct and len(set(found)) < len(found):
        twice = next(item for item in found if found.count(item) > 1)
        raise ConfigError(f"{name} holds {_shown(twice)} twice; allowed: each value once")
    return found


def _example(own: Any, known: Setting, value: Any, *, several: bool) -> str:
    """A tuple that is allowed: of what was given, where that may stand in one."""
    if several:
        return EXAMPLES[own][1]
    with contextlib.suppress(ConfigError):
        return repr((_scalar(own, known, value, ""),))
    if known.choices:
        return f"{known.choices[:1]!r} or {known.choices[:2]!r}"
    return " or ".join(EXAMPLES[own])


def _scalar(hint: Any, known: Setting, value: Any, lead: str) -> Any:
    if hint == EITHER:
        hint = str if isinstance(value, str) else int
        known = known if hint is int else dataclasses.replace(known, low=None, high=None)
    found = _of_type(hint, value)
    if found is None:
        raise ConfigError(f"{lead} {_shown(value)}; allowed: {_allowed(hint, known)}")
    if hint is str and known.words and not re.fullmatch(known.words.pattern, found):
        words = known.words
        raise ConfigError(
            f"{lead} {_shown(value)}, which is no {words.what}; allowed: {words.allowed}"
        )
    outside = (
        (known.choices and found not in known.choices)
        or (known.low is not None and found < known.low)
        or (known.high is not None and found > known.high)
        or (known.above is not None and found <= known.above)
        or (known.below is not None and found >= known.below)
    )
    if outside:
        near = nearest(found, known.choices) if hint is str and known.choices else ""
        raise ConfigError(f"{lead} {_shown(value)}; allowed: {_allowed(hint, known)}{near}")
    return found


def _of_type(hint: type, value: Any) -> Any:
    """The value as a bool, int, float or str; None where it is none."""
    if hint is bool or isinstance(value, bool):
        return value if hint is bool and isinstance(value, bool) else None
    if hint is int:
        return int(value) if isinstance(value, numbers.Integral) else None
    if hint is float:
        try:
            found = float(value) if isinstance(value, numbers.Real) else math.nan
        except OverflowError:
            return None
        return found if math.isfinite(found) else None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not _is_line(value):
        return None
    return str(value)


def _is_line(text: str) -> bool:
    return all(character.isprintable() for character in text)


def _from_text(hint: Any, text: Typed) -> Any:
    """What was typed, as the field's type; as it is where it cannot be that."""
    if hint is bool:
        return BOOLS.get(text.lower(), text)
    try:
        if hint in (int, float):
            return hint(text)
        return text if hint is str else ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text


def _allowed(hint: type, known: Setting) -> str:
    if known.choices:
        return ", ".join(known.choices)
    bounds = {"from": known.low, "above": known.above, "to": known.high, "below": known.below}
    words = [f"{word} {bound:.12g}" for word, bound in bounds.items() if bound is not None]
    return " ".join(["a line of text" if hint is str else KINDS[hint], *words])


def _shown(value: Any) -> str:
    """The value, on one line that is not too long."""
    try:
        return SHORT.repr(str(value) if isinstance(value, Typed) else value)
    except Exception:  # A number of more digits than Python writes, or whatever a file holds.
        return f"of type {type(value).__name__}"
