"""Names of any script in figures: letters that no font here has are spelled out."""

import re
import unicodedata
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

# The one that travels with Matplotlib; then those that systems bring, where they are installed.
FAMILIES = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic",
    "Malgun Gothic", "Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS",
)  # fmt: skip
# Chooses one of several forms of a picture.
FORMS = re.compile("[\ufe00-\ufe0f]")
NON_JOINER = "\u200c"


def make_legible(figure: Figure) -> None:
    """Make every text of a figure one that can be drawn, letter by letter, as it stands.

    Args:
      figure: the figure; nothing in its texts is taken for mathematics.
    """
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if words := text.get_text():
            text.set_text(legible(words))
            text.set_parse_math(False)
            if not words.isascii():
                text.set_fontfamily(list(_installed()))


def legible(name: str) -> str:
    """A name in letters that can be drawn.

    Args:
      name: any text; its lines stay lines.

    Returns:
      The same where fonts have its letters; others are spelled: by their names where these tell a
      sound or a thing, else by their numbers, so that names that differ still do.

    Example:
      >>> legible("Füchse"), legible("\U0001f9e1 \uac00\ub098"), legible("\U0002a6a5")
      ('Füchse', 'orange heart gana', 'u2A6A5')
    """
    lines = FORMS.sub("", unicodedata.normalize("NFC", name)).split("\n")
    return "\n".join(map(_legible_line, lines))


def _legible_line(line: str) -> str:
    spelled = "".join(map(_spelled, line))
    return line if spelled == line else " ".join(spelled.split())


def _spelled(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    if kind == "Cf" and letter != NON_JOINER:
        return ""  # It may turn what follows, and is not seen itself.
    if _is_drawn(letter):
        return letter
    plain = unicodedata.normalize("NFKD", letter)
    if plain != letter and all(map(_is_drawn, plain)):
        return plain
    if kind in ("Cf", "Mn"):
        return ""  # It changes a letter that is drawn without it.
    name = unicodedata.name(letter, "")
    if sound := re.search(r"\b(?:LETTER|SYLLABLE|CHARACTER|VOWEL SIGN) (?:.* )?(\w+)$", name):
        return sound[1].lower()
    is_thing = name and not re.search(r"\d", name)
    return f" {name.lower()} " if is_thing else f" u{ord(letter):04X} "


def _is_drawn(letter: str) -> bool:
    return letter.isascii() or any(ord(letter) in own for own in _installed().values())


@cache
def _installed() -> dict[str, frozenset[int]]:
    """Of each family that is there, the numbers of its letters."""
    found = {}
    for family in FAMILIES:
        try:
            path = font_manager.findfont(family, fallback_to_default=False)
        except ValueError:
            continue
        found[family] = frozenset(font_manager.get_font(path).get_charmap())
    return found
