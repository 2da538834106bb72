"""Payloads of messages (JSON, CSV, Avro, Arrow IPC) as columns of rows."""
