"""Steps: each takes a candidate and returns another; nothing here needs torch."""
