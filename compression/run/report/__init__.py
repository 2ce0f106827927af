"""The output of a run: log lines, report, pictures, timings, files of pruning steps."""
