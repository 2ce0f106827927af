"""What a run writes and measures: report, pictures, timings, files of pruning steps."""
