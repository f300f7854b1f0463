"""Patterns over the text of paths, as regular expressions."""

import re
from collections.abc import Sequence
from functools import lru_cache

# Of a path's text: the rest of a key, whole keys, and anything; a backslash and the character
# after it are never parted.
REST_OF_KEY = r"[^/\\]*(?:\\.[^/\\]*)*"
KEYS = f"(?:{REST_OF_KEY}/)*"
ANYTHING = r"[^\\]*(?:\\.[^\\]*)*"
REGEX_OF_TOKEN = {
    "**": ANYTHING,
    "**/": KEYS,
    "/**": f"(?:/{ANYTHING})?",
    "/**/": f"/{KEYS}",
    "*": REST_OF_KEY,
    "?": r"(?:[^/\\]|\\[/\\])",
}


class PatternError(ValueError):
    """A pattern that means nothing."""


def any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """One regular expression for several patterns.

    Args:
      patterns: as in `select`, without the "!" of those that exclude.

    Returns:
      What matches the path of a leaf whole where one of the patterns does; for no pattern,
      what matches nothing.

    Raises:
      PatternError: a pattern means nothing.

    Example:
      >>> bool(any_of(["conv*/kernel", "fc"]).fullmatch("conv3/kernel"))
      True
    """
    globs = (f"(?:{_glob(pattern)})" for pattern in patterns)
    return re.compile("|".join(globs) or r"(?!)", re.DOTALL)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> str:
    tokens = re.split(r"(\\.|/?\*\*/?|\*|\?|\[(?!!\])[^\]]+\])", pattern, flags=re.DOTALL)
    tokens[0::2] = map(re.escape, tokens[0::2])
    tokens[1::2] = map(_regex_of_token, tokens[1::2])
    expression = "".join(tokens)
    try:
        re.compile(expression)
    except re.error as error:
        raise PatternError(f"'{pattern}' is not a pattern: {error}") from None
    return expression if len(tokens) == 1 else f"{expression}|{re.escape(pattern)}"


def _regex_of_token(token: str) -> str:
    if token in REGEX_OF_TOKEN:
        return REGEX_OF_TOKEN[token]
    if token.startswith("\\"):
        return re.escape(token if token[1] in "/\\e" else token[1])
    inside = re.sub(r"([\\[&|~])", r"\\\1", token[1:-1])
    one_of = f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
    return rf"(?:(?![/\\]){one_of}|\\(?=[/\\]){one_of})"
