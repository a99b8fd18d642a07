"""The contract of operator, trainer and predictor: imports nothing but the standard library."""
