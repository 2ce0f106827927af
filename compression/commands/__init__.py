"""The work of each command, one file per command. `compression.cli` parses the arguments."""
