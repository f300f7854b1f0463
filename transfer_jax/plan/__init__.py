"""A config, and all that it decides before anything is trained."""
