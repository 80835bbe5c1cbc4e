"""`celery -A tests.integration.routed_tasks worker`: the project with a task whose name says which queue it goes to."""

from app.celery import app


@app.task(name="polarity:echo")
def echo(text: str) -> str:
    return text
