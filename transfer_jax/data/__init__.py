"""Images, the tasks made of them, and the batches that training sees."""
