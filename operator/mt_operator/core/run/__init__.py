"""Decisions about a TrainingRun: train Job, evaluate Job, verdict."""
