"""What users ask and are answered, told to a sink of theirs as the events of KServe's own logger.

  over HTTP, over gRPC ─▶ log: which, as what event ─▶ outbox: bounded, in memory ─▶ sink: one POST

Nothing here holds a request up, or fails one. Texts go to the sink and nowhere else.
"""
