"""What a run leaves on disk: files that are whole or not there, tables, networks, a lock."""
