"""The form `crossbar`: products with constant weights on simulated in-memory arrays, the rest digitally in float."""

from twentywatts.forms.crossbar.form import CrossbarForm, build, build_all
from twentywatts.forms.crossbar.settings import settings

__all__ = ["CrossbarForm", "build", "build_all", "settings"]
