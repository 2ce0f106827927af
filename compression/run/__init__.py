"""One run from start to end: its checks, its stages and its report."""
