"""What the console script's commands do, one a file; `compression.cli` only reads their arguments."""
