"""Numbers with intervals, and what may be said of them."""
