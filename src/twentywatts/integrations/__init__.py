"""Integrations: the meter inside pytest, Jupyter and trainers. Each imports its host only when the host asks for it."""
