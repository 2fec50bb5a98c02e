"""Claims: what others say of joules, recomputed, with a verdict."""
