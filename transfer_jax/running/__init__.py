"""Carries a plan out: trains slot by slot, keeps, stops, goes on."""
