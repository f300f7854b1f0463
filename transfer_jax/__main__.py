"""`python -m transfer_jax`, the same as `transfer-jax`."""

import sys

from transfer_jax.cli import main

sys.exit(main())
