"""Text files that are there whole or not at all."""

from etils import epath


def write_whole(path: epath.Path, text: str) -> None:
    """Write a file beside its place and rename it, so that nobody ever reads half of it.

    Args:
      path: the file; an earlier one is replaced.
      text: its content.

    Raises:
      OSError: it cannot be written; the file is named.
    """
    partial = path.parent / f".{path.name}.partial"
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
