"""Slimming: the same accuracy for fewer joules. Prune, distil, quantise, search, guard: model → model."""
