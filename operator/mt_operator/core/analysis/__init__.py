"""Live judgement: what a candidate's traffic says about it; pure."""
