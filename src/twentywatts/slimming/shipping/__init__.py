"""Shipping: the folder with what is proved, and the recipe that makes it again."""
