"""From an object's status to what people read; pure."""
