"""Where results are kept: Celery's Redis backend, made safe against whatever dies in the middle."""
