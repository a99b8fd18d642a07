"""The trainer: parallel text in, a verified translation artifact out."""
