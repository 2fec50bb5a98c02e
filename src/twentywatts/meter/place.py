"""Places: paths as plain text, because pathlib costs a program that has not loaded it as much as all the meter.

People may give a pathlib.Path wherever a Root is asked for, and readers that are not our own get one.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    Root = str | os.PathLike[str]

__all__ = ["ROOT", "Place", "place_of"]


class Place(str):
    """A path; ``/`` joins, as in pathlib."""

    __slots__ = ()

    def __truediv__(self, name: str) -> Place:
        return Place(os.path.join(self, name))

    @property
    def name(self) -> str:
        """The last part."""
        return os.path.basename(self)

    @property
    def parent(self) -> Place:
        """All but the last part."""
        return Place(os.path.dirname(self))

    def read_bytes(self) -> bytes:
        """Return what the file holds; raises OSError."""
        with open(self, "rb") as file:
            return file.read()

    def read_text(self) -> str:
        """Return the text of the file, whatever its bytes are; raises OSError."""
        return self.read_bytes().decode("utf-8", "replace")


ROOT = Place("/")


def place_of(path: Root) -> Place:
    """Return any path as a place."""
    return path if isinstance(path, Place) else Place(os.fspath(path))
