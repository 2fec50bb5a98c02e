"""Authors: BibTeX lists of names, as letters and for people."""

from __future__ import annotations

import re
import unicodedata

from twentywatts.errors import clean

__all__ = ["names_text", "unaccented"]

# BibTeX accent command: combining character
_ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307"}
_ACCENTS |= {"c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b"}
_ACCENT = re.compile(r"""\{?\\(?:(["'`^~=.])\s*|([cvuH])(?:\s+|(?=\{)))\{?([A-Za-z])\}?\}?""")


def unaccented(names: str) -> str:
    r"""Return BibTeX names with accent commands as letters: ``H{\"o}ppner`` is ``Höppner``; other braces stay."""
    return _ACCENT.sub(lambda found: unicodedata.normalize("NFC", found[3] + _ACCENTS[found[1] or found[2]]), names)


def names_text(authors: str) -> str:
    """Return BibTeX names for people, at most three: ``Davies, Mike; Lin, Tsung-Han; et al.``."""
    names = [name.strip(" {}") for name in unaccented(authors).split(" and ")]
    shown = [name for name in names if name != "others"]
    more = ["et al."] if len(shown) < len(names) or len(shown) > 3 else []
    return clean("; ".join([*shown[:3], *more]))
