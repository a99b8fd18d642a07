# The operator. Its context is the repository: docker build -t translation-operator .
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY operator/requirements.lock /tmp/requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /venv && /venv/bin/pip install --require-hashes --no-deps -r /tmp/requirements.lock
COPY crds/mt_contract /app/mt_contract
COPY operator/mt_operator /app/mt_operator
RUN /venv/bin/python -m compileall -q /app

FROM ${BASE}
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    LOGNAME=mt-operator
# kopf asks for the user's name; the system knows none for this number.
USER 65532:65532
ENTRYPOINT ["python", "-m", "mt_operator"]
