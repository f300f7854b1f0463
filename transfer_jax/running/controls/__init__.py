"""What later work asks of transferred layers beside the accuracy that they give."""
