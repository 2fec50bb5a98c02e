"""One file per kind of counter."""
