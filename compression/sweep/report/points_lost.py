"""Losses of accuracy in words and in cells: a loss is positive everywhere."""


def describe_loss(points: float) -> str:
    """Return e.g. ``2.00 points lost``, or ``0.33 points gained`` for a negative loss."""
    gained = round(points, 2) < 0
    return f"{abs(points):.2f} points {'gained' if gained else 'lost'}"


def write_loss(points: float) -> str:
    """Return the cell of a column of points lost, e.g. ``+2.00``; a gain has a minus."""
    return f"{points:+.2f}" if round(points, 2) else "0.00"
