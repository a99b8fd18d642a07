"""What does the serving check say? A probe Job replays held-out sentences at weight 0."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mt_contract.report import Failure, ProbeResult
from mt_contract.resource import ServingCheck
from mt_operator.core.children.probe_job import probe_job_name
from mt_operator.core.model.state import Probe, Revision
from mt_operator.core.model.turn import Situation
from mt_operator.core.observed import JobState, JobView

MAX_FAILED = 1  # probes that got no answers are repeated once: a connection may break
MAX_LOST = 3  # results that nobody could read


def first_probe(s: Situation, build: Revision) -> Probe:
    """Return a probe whose Job is not there yet: a retried revision is probed anew."""
    attempt = 1
    while probe_job_name(s.meta, build.revision, attempt) in s.observed.jobs:
        attempt += 1
    return Probe(attempt)


def check(
    s: Situation, build: Revision, probe: Probe, rule: ServingCheck
) -> Probe | ProbeResult | str | None:
    """Judge the probe of ``build``.

    Returns:
        The result, if it passed; a message, if the candidate is to be rejected; the next probe,
        if it has to be made again; None, as long as it is at work.
    """
    job = s.observed.jobs.get(probe_job_name(s.meta, build.revision, probe.attempt))
    if job is None or job.state in (JobState.ACTIVE, JobState.SUSPENDED):
        return None
    if isinstance(job.message, ProbeResult) and job.message.failures == 0:
        return _judge(job.message, rule)
    if job.state is JobState.COMPLETE and job.message is None:
        again = replace(probe, attempt=probe.attempt + 1, lost=probe.lost + 1)
        return again if again.lost < MAX_LOST else f"The results of {MAX_LOST} probes were lost."
    again = replace(probe, attempt=probe.attempt + 1, failed=probe.failed + 1)
    return again if again.failed <= MAX_FAILED else _complaint(job)


def _judge(result: ProbeResult, rule: ServingCheck) -> ProbeResult | str:
    if result.requests > 0 and Decimal(result.agreement) >= rule.min_agreement:
        return result
    return (
        f"{_percent(result.agreement)} of {result.requests} held-out sentences came back as in "
        f"evaluation; minAgreement is {_percent(rule.min_agreement)}. {result.message}".strip()
    )


def _complaint(job: JobView) -> str:
    message = job.message
    if isinstance(message, ProbeResult):
        return (
            f"{message.failures} of {message.requests} held-out sentences got no translation, "
            f"twice. {message.message}".strip()
        )
    if isinstance(message, Failure):
        return f"It could not be probed, twice: {message.message}"
    return f"It could not be probed, twice: {job.failure or 'the probe Job failed'}."


def _percent(share: Decimal | str) -> str:
    return f"{(Decimal(share) * 100).normalize():f} %"
