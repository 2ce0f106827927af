"""The configuration: its schema and checks, the name of a run, and errors told in one line."""
