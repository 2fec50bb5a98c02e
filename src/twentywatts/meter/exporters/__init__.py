"""Exporters: the counters of a node for those who watch many nodes."""
