"""What a sweep ends in, made from its records on disk alone: table, fronts, picks, pictures, recommendation."""
