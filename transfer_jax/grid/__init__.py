"""What is trained, as pure data: tasks, conditions, columns, and keys of random numbers."""
