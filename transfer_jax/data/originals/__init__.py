"""Where images come from before they are prepared: tar files, folders, TFDS."""
