"""The one error that reading and writing trees raises."""


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
