"""What a run says at its end: one document for programs, one table for people."""
