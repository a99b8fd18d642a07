"""Decisions about a TrainingRun: one file per policy, in the order of decide.py."""
