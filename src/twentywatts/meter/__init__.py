"""The meter: joules of a running program, and the truth when there are none."""
