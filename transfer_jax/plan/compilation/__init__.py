"""The programs of a plan, compiled for devices that are not here, and what they take there."""
