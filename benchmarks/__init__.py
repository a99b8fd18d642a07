"""Measures what this product promises, side by side with others: docs/benchmarks.md."""
