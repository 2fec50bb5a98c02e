"""Learning: the graph in torch, what it is taught, and the way back; torch is imported inside functions."""
