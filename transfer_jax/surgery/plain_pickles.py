"""Pickles of plain data, read without Python's unpickler.

Python's library parses the opcodes. What they do is below, and is no more than to build plain
containers. Names of classes and functions are looked up in a table of the caller's and never
imported, so there is nothing that a hostile pickle could call.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

LITERALS = {
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING",
    "STRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BININT", "BININT1", "BININT2", "INT",
    "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT",
}  # fmt: skip
CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
IGNORED = {"PROTO", "FRAME"}


class PickleError(ValueError):
    """A pickle that is damaged or asks for something that is not allowed."""


class Name(NamedTuple):
    """The name of a class or function; nothing more."""

    text: str


class Rules(NamedTuple):
    """What a pickle may ask for.

    Attributes:
      names: whether it may speak of a class or function.
      functions: what is done where it calls one.
      persistent: from a persistent id to what it stands for.
      with_attributes: the types whose attributes it may set; they are left out.
    """

    names: Callable[[str], bool]
    functions: Mapping[str, Callable[..., Any]]
    persistent: Callable[[Any], Any]
    with_attributes: tuple[type, ...]


PLAIN = Rules(lambda _: False, {}, lambda _: None, ())


def read_pickle(file: Any, rules: Rules = PLAIN) -> tuple[Any, int]:
    """One pickle, from where the file stands.

    Args:
      file: a file in memory, or a memory map: one that hands out no more than it holds,
        however much a pickle asks for. It stands behind the pickle afterwards.
      rules: what the pickle may ask for.

    Returns:
      (object, operations): plain data; and how many opcodes it was made by.

    Raises:
      PickleError: the pickle is damaged or asks for something that is not allowed.

    Example:
      >>> import io, pickle
      >>> read_pickle(io.BytesIO(pickle.dumps({"a": [1, 2]}, protocol=2)))[0]
      {'a': [1, 2]}
    """
    machine, operations = _Machine(rules), 0
    try:
        for opcode, argument, _ in pickletools.genops(file):
            operations += 1
            if opcode.name == "STOP":
                return machine.pop(), operations
            machine.step(opcode.name, argument)
            if machine.spent > 1000 + 4 * file.tell():
                raise PickleError("it calls functions with the same large arguments again")
    except PickleError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
            MemoryError, struct.error) as error:  # fmt: skip
        raise PickleError(f"its pickle is damaged: {error}") from None
    raise PickleError("its pickle has no end")


def dict_of(pairs: Any = ()) -> dict[Any, Any]:
    """A dictionary of pairs, if its keys are plain.

    Args:
      pairs: keys and values.

    Returns:
      The dictionary.

    Raises:
      PickleError: a key is neither text nor a number.

    Example:
      >>> dict_of([("a", 1)])
      {'a': 1}
    """
    found = {}
    for key, value in pairs:
        if type(key) not in (str, int, float, bool, type(None)):
            raise PickleError(f"a key is of {type(key).__name__}; allowed: text and numbers")
        found[key] = value
    return found


class _Machine:
    """A stack, marks and a memo, as the pickle format has them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.spent = 0

    def step(self, opcode: str, argument: Any) -> None:
        """Do what an opcode says."""
        if opcode in LITERALS:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode]())
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif opcode in OPERATIONS:
            OPERATIONS[opcode](self, argument)
        elif opcode not in IGNORED:
            raise PickleError(f"the opcode {opcode} is not allowed")

    def pop(self) -> Any:
        """The object on top, above the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise PickleError("its pickle is damaged: nothing on the stack")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        """The objects above the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def take(self, count: int) -> tuple[Any, ...]:
        """The uppermost objects, in the order in which they came."""
        return tuple(reversed([self.pop() for _ in range(count)]))

    def name(self, text: str) -> None:
        """A class or function is spoken of."""
        if not self.rules.names(text):
            raise PickleError(f"it asks for {text:.80}; allowed: tensors and plain data")
        self.stack.append(Name(text))

    def append(self, items: list[Any]) -> None:
        """The list on top grows."""
        if type(self.stack[-1]) is not list:
            raise PickleError("it appends to something that is no list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """The dictionary on top grows; keys and values in a row."""
        if type(self.stack[-1]) is not dict:
            raise PickleError("it sets items of something that is no dict")
        self.stack[-1].update(_dict_of_row(items))

    def call(self) -> None:
        """A function is called, if the rules have it; its arguments' sizes are summed up."""
        function, arguments = self.take(2)
        text = function.text if isinstance(function, Name) else type(function).__name__
        if text not in self.rules.functions or type(arguments) is not tuple:
            raise PickleError(f"it calls {text:.80}, which is not allowed")
        self.spent += sum(len(held) for held in arguments if hasattr(held, "__len__"))
        self.stack.append(self.rules.functions[text](*arguments))

    def build(self) -> None:
        """Attributes are set: they are left out."""
        self.pop()
        if type(self.stack[-1]) not in self.rules.with_attributes:
            raise PickleError(f"it sets attributes of a {type(self.stack[-1]).__name__}")


def _dict_of_row(items: list[Any]) -> dict[Any, Any]:
    return dict_of(zip(items[::2], items[1::2], strict=True))


OPERATIONS: Mapping[str, Callable[[_Machine, Any], Any]] = {
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.pop_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "MEMOIZE": lambda m, _: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.pop_mark())),
    "TUPLE1": lambda m, _: m.stack.append(m.take(1)),
    "TUPLE2": lambda m, _: m.stack.append(m.take(2)),
    "TUPLE3": lambda m, _: m.stack.append(m.take(3)),
    "LIST": lambda m, _: m.stack.append(m.pop_mark()),
    "DICT": lambda m, _: m.stack.append(_dict_of_row(m.pop_mark())),
    "APPEND": lambda m, _: m.append([m.pop()]),
    "APPENDS": lambda m, _: m.append(m.pop_mark()),
    "SETITEM": lambda m, _: m.set_items(list(m.take(2))),
    "SETITEMS": lambda m, _: m.set_items(m.pop_mark()),
    "GLOBAL": lambda m, text: m.name(text.replace(" ", ".", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(".".join(m.take(2))),
    "BINPERSID": lambda m, _: m.stack.append(m.rules.persistent(m.pop())),
    "REDUCE": lambda m, _: m.call(),
    "NEWOBJ": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.build(),
}
