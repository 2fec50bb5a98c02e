"""Timing: what a candidate takes here, measured; what that predicts, what a step did, when the search is paid back."""
