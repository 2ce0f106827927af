"""What a reader would otherwise do, beside a sweep: prune at random, or train a small dense network."""
