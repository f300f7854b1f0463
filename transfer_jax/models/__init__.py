"""Networks that can be cut after any layer."""
