"""Parameter surgery on any pytree: select, graft, partition, stack, compare and freeze."""
