"""Elsewhere: what candidates cost on other machines, where orders differ, and advice that is no compression."""
