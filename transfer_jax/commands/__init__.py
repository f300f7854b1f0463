"""What is typed, and what a person reads of it."""
