"""The report of a sweep, made from its records on disk: table, fronts, picks, pictures, recommendation."""
