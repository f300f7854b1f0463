"""What the paper claims, and the networks of its authors."""
