"""Configs that travel inside the package, one experiment each."""
