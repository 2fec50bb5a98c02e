"""Forms: (Network, Traits) made executable. Running one on data gives outputs and the work it really did."""

from twentywatts.forms.protocol import Form, FormResult, Setting, build, build_all, settings_of

__all__ = ["Form", "FormResult", "Setting", "build", "build_all", "settings_of"]
