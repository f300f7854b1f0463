"""The one error that reading and writing trees raises, and words that are fit for its line."""

from collections.abc import Sequence

SHOWN = 3


class TreeFileError(ValueError):
    """A file that holds no tree, or is damaged; or a tree that cannot be stored."""


def brief(words: object) -> str:
    """Words of others, such as another library's error, fit for one line.

    Args:
      words: anything with a text.

    Returns:
      Its text without line breaks, 200 characters at most.

    Example:
      >>> brief("two\\n lines")
      'two lines'
    """
    return " ".join(str(words).split())[:200]


def few(names: Sequence[str], shown: int = SHOWN) -> str:
    """The first of some names, whatever a stranger wrote there, and how many more there are.

    Args:
      names: what is listed, in order.
      shown: how many of them.

    Returns:
      A part of a line.

    Example:
      >>> few(["a", "b", "c", "d", "e"])
      'a, b, c and 2 more'
    """
    first = ", ".join("".join(c for c in n[:120] if c.isprintable()) for n in names[:shown])
    return first + (f" and {len(names) - shown} more" if len(names) > shown else "")
