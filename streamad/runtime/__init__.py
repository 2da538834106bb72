"""The process around a pipeline: engine, checkpoints, dead letters, counters."""
