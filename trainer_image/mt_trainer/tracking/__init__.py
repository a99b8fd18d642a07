"""Where a training is told of: metrics.jsonl and TensorBoard always, MLflow where one is named."""
