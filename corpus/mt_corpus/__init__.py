"""Parallel text as trainer and evaluator read it: one reader, one normal form."""
