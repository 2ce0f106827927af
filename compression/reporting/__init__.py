"""The report of a run: one document for programs, one table for people, and pictures."""
