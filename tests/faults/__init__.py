"""`python -m tests.faults`: the faults that a service meets in a year, Celery as it comes beside ours."""
