"""The stages of a run, one a file: each says what identifies it and how it is made."""
