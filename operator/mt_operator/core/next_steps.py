"""What a person does about each reason: the last column of the table of reasons."""

from __future__ import annotations

from collections.abc import Mapping

from mt_operator.core.reasons import Reason

_WAIT = "Nothing: it goes on by itself."
_WELL = "Nothing: all is well."
_AGAIN = "Correct the cause, then change the spec, or `kubectl translation retry MODEL REVISION`."
_RETRAIN = "Correct the cause, then change the spec, or `kubectl translation retry MODEL RUN`."
_GATES = (
    "Look at `kubectl translation report RUN`; change recipe, data or gates; or override it with "
    "`kubectl translation bless MODEL RUN`."
)
_PLATFORM = "Name one that the message lists, or ask the platform team to add it."

NEXT_STEPS: Mapping[Reason, str] = {
    Reason.RESOLVING: _WAIT,
    Reason.TRAINING: _WAIT,
    Reason.IMPORTING: _WAIT,
    Reason.EVALUATING: _WAIT,
    Reason.COLLECTING: _WAIT,
    Reason.WAITING_FOR_STORAGE: "Create the claim that the message names.",
    Reason.WAITING_FOR_POD: "Give the pod what the message says that it lacks.",
    Reason.WAITING_FOR_QUOTA: "Wait for the queue, or ask for another one or for more quota.",
    Reason.WAITING_FOR_KSERVE: "Install KServe.",
    Reason.WAITING_FOR_GATEWAY_API: "Install the Gateway API and a gateway.",
    Reason.SUSPENDED: "Set `suspend` to false to go on.",
    Reason.DEPLOYING: _WAIT,
    Reason.SERVING_CHECK: _WAIT,
    Reason.AWAITING_APPROVAL: "`kubectl translation promote MODEL`, or `abort`.",
    Reason.CANARY: _WAIT,
    Reason.PROMOTING: _WAIT,
    Reason.ROLLING_BACK: _WAIT,
    Reason.PAUSED: "`kubectl translation promote MODEL`; after `pause`: `resume`; or `abort`.",
    Reason.NO_DATA: "Send requests, set `syntheticTraffic`, or promote it (`kubectl translation`).",
    Reason.ACTION_TAKEN: "Nothing: the other conditions say what comes of it.",
    Reason.ACTION_IGNORED: "Do what the message says, with a new suffix.",
    Reason.COMPLETED: _WELL,
    Reason.DATA_ACCEPTED: _WELL,
    Reason.TRAINED: _WELL,
    Reason.IMPORTED: _WELL,
    Reason.REUSED: _WELL,
    Reason.EVALUATED: _WELL,
    Reason.BLESSED: _WELL,
    Reason.SERVING: _WELL,
    Reason.UP_TO_DATE: _WELL,
    Reason.SUPPORTED: _WELL,
    Reason.GATE_FAILED: _GATES,
    Reason.GATE_INCONCLUSIVE: _GATES + " More test data narrows the interval.",
    Reason.DATA_INVALID: "Correct the data that the message names, or its check; then retry.",
    Reason.CONFIGURATION_INVALID: "Correct the field that the message names.",
    Reason.DIVERGED: "Lower `learningRate`, raise `warmupSteps` or `batchTokens`.",
    Reason.OUT_OF_MEMORY: "Raise the memory limit, or lower `batchTokens`.",
    Reason.DEADLINE_EXCEEDED: "Raise `activeDeadline`, or lower the budget.",
    Reason.BACKOFF_LIMIT_EXCEEDED: _RETRAIN,
    Reason.STORAGE_UNAVAILABLE: "Restore access to the storage, then retry.",
    Reason.NODE_LOST: "See why the pods of the Job do not stay, or do not start, then retry.",
    Reason.ARTIFACT_INVALID: _RETRAIN,
    Reason.EVALUATION_FAILED: _RETRAIN,
    Reason.PROBE_FAILED: _AGAIN,
    Reason.INTERNAL_ERROR: "Read the pod's log (`kubectl translation logs`); retry; report it.",
    Reason.RESULT_LOST: _RETRAIN,
    Reason.RUN_FAILED: _RETRAIN,
    Reason.SERVING_CHECK_FAILED: _AGAIN,
    Reason.ANALYSIS_FAILED: _AGAIN,
    Reason.PROGRESS_DEADLINE_EXCEEDED: _AGAIN,
    Reason.ROLLED_BACK: "Let Git ask for what serves again, or for something better; or `retry`.",
    Reason.ABORTED: "Change the spec, or `kubectl translation retry MODEL REVISION`.",
    Reason.SUPERSEDED: _WAIT,
    Reason.NOT_READY: "Look at its pods: the message says what they lack.",
    Reason.NOT_SUPPORTED_YET: "Write what the message says instead.",
    Reason.MODEL_NOT_FOUND: "Create the model, or correct `modelRef`.",
    Reason.SPEC_INCOMPLETE: "Set the field that the message names, here or in the model.",
    Reason.SPEC_INVALID: "Correct the field that the message names.",
    Reason.IMAGE_NOT_ALLOWED: "Use an allowed image, or ask the platform team to allow it.",
    Reason.UNKNOWN_GATEWAY: _PLATFORM,
    Reason.NO_PROMETHEUS: "Write `provider: Pods`, or ask the platform team for a Prometheus.",
    Reason.UNKNOWN_QUERY: _PLATFORM,
    Reason.UNKNOWN_RECEIVER: _PLATFORM,
    Reason.HOST_NAME_TOO_LONG: "Give the model or its namespace a shorter name.",
    Reason.NAME_TAKEN: "Remove that object, or give it another name.",
    Reason.REFUSED: "Grant the right or quota that the message names.",
    Reason.UNSUPPORTED: "Do what the message says, or go without.",
    Reason.IMPOSSIBLE: "Restore the status that the message speaks of.",
    Reason.NO_PRODUCTION: "Wait for the first rollout; Stalled says if it needs somebody.",
}
