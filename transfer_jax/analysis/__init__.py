"""From a table of results to numbers, figures and one page."""
