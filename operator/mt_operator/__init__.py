"""The operator: decides in ``core`` (pure), acts in ``shell``."""
