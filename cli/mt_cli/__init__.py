"""kubectl translation: looking at models and runs, acting on them, checking them beforehand."""
