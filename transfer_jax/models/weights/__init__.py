"""Weights of others: their names and layouts, read into our networks and written back."""
