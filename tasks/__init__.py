"""What a worker can be asked to do: Celery outside, one call to a part inside."""
