"""Language models: precision, cache, chips and batch ranked by predicted joules; recipes for other tools."""
