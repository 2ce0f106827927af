"""`python -m compression`: the same commands as the console script."""

from compression.cli import main

main()
