"""One run, end to end: its stages in order, what is refused before them, and what it writes."""
