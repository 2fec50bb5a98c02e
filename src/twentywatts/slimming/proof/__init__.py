"""Proof: samples that search and samples that guard, and what they say of a candidate."""
