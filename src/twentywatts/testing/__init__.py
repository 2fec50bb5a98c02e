"""Contract tests and fakes for authors of plug-ins (machines, pricers, readers) and for this project's own tests."""
