"""What in a cluster does not fit, and what to do about it."""
