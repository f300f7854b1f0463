"""Numbers and pictures to one page, tables for other programs, lines for a terminal."""
