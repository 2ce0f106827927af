"""The configuration: its schema and checks, the names of runs, and errors in one line."""
