"""The limit below which a model counts as collapsed and is left out of comparisons."""

# In points of accuracy below the best model. The numbers of a collapsed model would hide the differences of the others.
COLLAPSED_POINTS = 25.0
