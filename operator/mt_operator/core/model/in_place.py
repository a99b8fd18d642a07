"""Serving options that are changed in place: what the user touched, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from mt_contract.carry import carry
from mt_operator.core.model.state import Revision
from mt_operator.core.model.turn import Kind, Situation, Turn


def change_in_place(s: Situation, turn: Turn) -> Turn:
    """Give production and candidate the options that the user writes now."""
    if s.obstacle is not None and s.obstacle.kind is Kind.PERSON:
        return turn
    production, candidate = turn.status.production, turn.status.candidate
    if production is not None:
        turn = turn.to(production=_changed(s, production))
    if candidate is not None and candidate.build is not None:
        turn = turn.to(candidate=replace(candidate, build=_changed(s, candidate.build)))
    return turn


def _changed(s: Situation, build: Revision) -> Revision:
    written = s.options.written
    if written == build.written:  # then another release's defaults are no reason
        return build
    serving = carry(written, build.written, build.serving, s.options.resolved)
    return replace(build, serving=serving, written=written)
