"""The stages of a run, one per file; each obtains its result from the stage store."""
