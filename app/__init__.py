"""Weatherbeat: a Celery application that collects the weather and shows how workflows run."""
