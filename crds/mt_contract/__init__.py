"""The contract that operator, trainer and predictor share. It imports nothing but the standard library."""
