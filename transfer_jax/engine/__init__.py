"""Training: all conditions of a column in one program, one column a device."""
