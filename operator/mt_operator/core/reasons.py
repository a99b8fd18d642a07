"""Every reason that a condition, event or alert of both kinds may carry, and what it means."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A reason in CamelCase; ``meaning`` is what the documentation says of it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Reason:
        """Make a member whose value is the text that users see."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # On the way.
    RESOLVING = "Resolving", "The inputs are being completed from the model and the defaults."
    TRAINING = "Training", "The train Job is at work, or about to be."
    IMPORTING = "Importing", "The import Job is at work, or about to be."
    EVALUATING = "Evaluating", "The evaluate Job is at work, or about to be."
    COLLECTING = "Collecting", "A Job ended without a readable message; its result is read again."
    WAITING_FOR_STORAGE = "WaitingForStorage", "A PersistentVolumeClaim that is named is missing."
    WAITING_FOR_POD = "WaitingForPod", "A pod cannot be scheduled or its image cannot be pulled."
    WAITING_FOR_QUOTA = "WaitingForQuota", "The Job is queued until its queue admits it."
    WAITING_FOR_KSERVE = "WaitingForKServe", "The cluster has no KServe yet."
    WAITING_FOR_GATEWAY_API = "WaitingForGatewayAPI", "The cluster has no Gateway API yet."
    SUSPENDED = "Suspended", "suspend is set: nothing new starts; what runs or serves goes on."
    DEPLOYING = "Deploying", "The revision's InferenceService is starting, without traffic."
    SERVING_CHECK = "ServingCheck", "Held-out sentences are sent to the revision at weight 0."
    AWAITING_APPROVAL = "AwaitingApproval", "Nothing gets weight before somebody promotes it."
    CANARY = "Canary", "The candidate gets its share of the traffic, step by step."
    PROMOTING = "Promoting", "All traffic goes to the candidate; it becomes production."
    ROLLING_BACK = "RollingBack", "The traffic goes back to production."
    PAUSED = "Paused", "A step waits for a person, or a person paused the rollout."
    NO_DATA = "NoData", "Too few requests reach the candidate to judge it."
    ACTION_TAKEN = "ActionTaken", "What an annotation asked for is done."
    ACTION_IGNORED = "ActionIgnored", "What an annotation asked for cannot be done; it did nothing."

    # Well.
    COMPLETED = "Completed", "Everything that was asked for is done."
    DATA_ACCEPTED = "DataAccepted", "The data passed its checks."
    TRAINED = "Trained", "Training published an artifact."
    IMPORTED = "Imported", "A model made elsewhere became an artifact; nothing was trained."
    REUSED = "Reused", "An artifact that a run published before is used again; nothing was trained."
    EVALUATED = "Evaluated", "The artifact was evaluated with the engine that will serve it."
    BLESSED = "Blessed", "All gates passed."
    SERVING = "Serving", "A blessed revision serves."
    UP_TO_DATE = "UpToDate", "What the current generation asks for is in production."
    SUPPORTED = "Supported", "The cluster can do this."

    # Not well: a candidate or a run is rejected, production goes on.
    GATE_FAILED = "GateFailed", "A gate says that the candidate is not good enough."
    GATE_INCONCLUSIVE = "GateInconclusive", "The test data cannot tell whether a gate passes."
    DATA_INVALID = "DataInvalid", "The data is unreadable or violates a check."
    CONFIGURATION_INVALID = "ConfigurationInvalid", "A program refused the values it was given."
    DIVERGED = "Diverged", "The loss diverged, also at half the learning rate."
    OUT_OF_MEMORY = "OutOfMemory", "A container was killed at its memory limit."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "A Job ran longer than its activeDeadline."
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded", "A Job's pods failed more often than allowed."
    STORAGE_UNAVAILABLE = "StorageUnavailable", "The run's folder could not be read or written."
    NODE_LOST = "NodeLost", "One of the machines that train together was lost, or never came."
    ARTIFACT_INVALID = "ArtifactInvalid", "The artifact is incomplete or was changed."
    EVALUATION_FAILED = "EvaluationFailed", "The evaluation could not be done."
    PROBE_FAILED = "ProbeFailed", "The revision could not be probed."
    INTERNAL_ERROR = "InternalError", "A program ended by an error of its own."
    RESULT_LOST = "ResultLost", "A Job completed, but its result could not be found again."
    RUN_FAILED = "RunFailed", "A run ended without an evaluated artifact."
    SERVING_CHECK_FAILED = "ServingCheckFailed", "The revision did not answer as in evaluation."
    ANALYSIS_FAILED = "AnalysisFailed", "The revision did worse than production under traffic."
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded", "The rollout took too long."
    ROLLED_BACK = "RolledBack", "Traffic was taken back, and production answers it again."
    ABORTED = "Aborted", "Somebody stopped the candidate or the run."
    SUPERSEDED = "Superseded", "Something newer was asked for."
    NOT_READY = "NotReady", "The revision is not ready to serve."

    # Nothing happens before a person acts.
    NOT_SUPPORTED_YET = "NotSupportedYet", "A field is set that this release does not act on."
    MODEL_NOT_FOUND = "ModelNotFound", "modelRef names a TranslationModel that does not exist."
    SPEC_INCOMPLETE = "SpecIncomplete", "Something required is set neither here nor in the model."
    SPEC_INVALID = "SpecInvalid", "A field has a value that cannot be used."
    IMAGE_NOT_ALLOWED = "ImageNotAllowed", "The platform's settings do not allow this image."
    UNKNOWN_GATEWAY = "UnknownGateway", "The platform's settings know no gateway of this name."
    NO_PROMETHEUS = "NoPrometheus", "Something asks a Prometheus, and the platform has set none."
    UNKNOWN_QUERY = "UnknownQuery", "The platform's settings know no query of this name."
    UNKNOWN_RECEIVER = "UnknownReceiver", "The platform's settings know no receiver of this name."
    HOST_NAME_TOO_LONG = "HostNameTooLong", "The model's host name is longer than the DNS allows."
    NAME_TAKEN = "NameTaken", "An object of somebody else has a name that is needed."
    REFUSED = (
        "Refused",
        "The API server refused something that is needed: a right, policy or quota.",
    )
    UNSUPPORTED = "Unsupported", "The cluster cannot do this."
    IMPOSSIBLE = "Impossible", "What was observed cannot be; the operator touches nothing."
    NO_PRODUCTION = "NoProduction", "No revision has reached production yet."


_BY_TEXT = {reason.value: reason for reason in Reason}


def reason_or(text: str, otherwise: Reason) -> Reason:
    """Return the reason that a program gave as ``text``; ``otherwise`` if it is none of ours."""
    return _BY_TEXT.get(text, otherwise)
