"""Records that somebody else may have written, or a power cut: half of one, another shape, a number without end."""

# All that can be raised where a parsed value is taken apart as if it had the right shape.
DAMAGE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
