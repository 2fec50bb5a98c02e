"""Searching: requests, the lab that tries them, the ladder, the hunt for widths, and their memory."""
