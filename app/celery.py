"""The Celery application and its configuration: `celery -A app` finds it here."""

from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.app.defaults import SETTING_KEYS
from kombu import Exchange, Queue

from app import embedded
from app.settings import AMQP_SCHEMES, Settings, SettingsError, get_settings
from beat_schedule import BEAT_SCHEDULE

TASK_MODULES = ("tasks.arithmetic", "tasks.callbacks", "tasks.failing", "tasks.long_running", "tasks.weather")
DEFAULT_QUEUE = "celery"
EXCHANGE = "weatherbeat"

COMMON: dict[str, Any] = {
    "include": TASK_MODULES,
    "beat_schedule": BEAT_SCHEDULE,
    "timezone": "UTC",
    # JSON only: unpickling a message runs whatever its sender wrote into it.
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "event_serializer": "json",
    "task_track_started": True,  # a long task is seen to run, not to wait
    "task_acks_late": True,  # a worker that dies has not eaten its task
    "worker_prefetch_multiplier": 1,  # a slow task does not hold back those behind it
    "task_default_queue": DEFAULT_QUEUE,
    "result_extended": True,  # a result says which task, arguments and worker it came from
    "result_persistent": True,  # rpc:// results survive a restart of the broker
    "result_backend_always_retry": True,  # a result store that is away for a moment costs no result
    "broker_connection_retry_on_startup": True,  # a worker may be started before its broker
    "worker_cancel_long_running_tasks_on_connection_loss": False,  # they finish; their effects are idempotent
    "worker_soft_shutdown_timeout": 10.0,  # seconds; on SIGQUIT, what is not done by then goes back to the queue
    "beat_scheduler": "app.beat:Scheduler",
    "beat_enable_remote_control": True,  # `celery inspect ping` tells a beat that hangs from one that waits
}

# RabbitMQ: a replicated queue, and nothing is sent without the broker's confirmation.
AMQP: dict[str, Any] = {
    "task_queues": [
        Queue(
            DEFAULT_QUEUE,
            # A topic exchange: with a direct one, tasks with a countdown are held by a worker and block it.
            Exchange(EXCHANGE, type="topic"),
            routing_key=DEFAULT_QUEUE,
            queue_arguments={"x-queue-type": "quorum"},
        )
    ],
    "task_default_exchange": EXCHANGE,
    "task_default_exchange_type": "topic",
    "task_default_routing_key": DEFAULT_QUEUE,
    "task_default_queue_type": "quorum",
    "broker_transport_options": {"confirm_publish": True},
    "broker_channel_error_retry": True,  # the broker's consumer time-out does not end the worker
}


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's configuration for `settings`.

    Raises SettingsError when it names a setting that Celery does not have: Celery itself would ignore it.
    """
    broker_url = settings.broker_url or embedded.url(settings.data_dir)
    over_amqp = urlsplit(broker_url).scheme in AMQP_SCHEMES
    config = (
        COMMON
        | (AMQP if over_amqp else {})
        | {
            "broker_url": broker_url,
            "result_backend": settings.result_backend or embedded.url(settings.data_dir),
            "beat_schedule_filename": str(settings.data_dir / "celerybeat-schedule"),
        }
    )
    if unknown := sorted(set(config) - SETTING_KEYS):
        raise SettingsError(f"Celery has no setting named {', '.join(unknown)}; correct it in app/celery.py.")
    return config


def create_app(settings: Settings) -> Celery:
    """A Celery application for `settings`. It connects, or starts the embedded broker, when it is first used."""
    celery_app = Celery("weatherbeat")
    celery_app.conf.update(configuration(settings))
    if settings.broker_url is None or not settings.result_backend:
        embedded.install(celery_app, settings.data_dir)
    return celery_app


def _create_app_or_exit() -> Celery:
    try:
        return create_app(get_settings())
    except SettingsError as error:
        # Celery's command line prints a traceback for any other exception that an app's module raises.
        raise SystemExit(str(error)) from None


app = _create_app_or_exit()
