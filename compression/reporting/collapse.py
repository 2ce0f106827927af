"""When a model is no longer one of those that are compared."""

# Points of accuracy below the best: such a model has collapsed, its numbers would drown those of the others.
COLLAPSED_POINTS = 25.0
