"""Failure modes of classifiers, from their logits: pure functions without training code."""
