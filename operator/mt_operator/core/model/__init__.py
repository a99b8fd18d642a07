"""Decisions about a TranslationModel: one file per policy, in the order of decide.py."""
