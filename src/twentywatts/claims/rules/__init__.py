"""Rules: one recomputation a module; each yields the findings of a sentence and marks the quantities that it judged."""
