"""``python -m twentywatts`` is the command."""

from twentywatts.cli import command

command()
