"""The Celery application and its configuration: `celery -A app` finds it here."""

from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.app.defaults import SETTING_KEYS

from app import embedded
from app.application import Application, RabbitMQApplication
from app.queues import DEFAULT_QUEUE, EXCHANGE, route_by_name, route_over_amqp, task_queue
from app.settings import AMQP_SCHEMES, REDIS_SCHEMES, Settings, SettingsError, get_settings
from beat_schedule import BEAT_SCHEDULE

TASK_MODULES = (
    "tasks.accounts",
    "tasks.arithmetic",
    "tasks.callbacks",
    "tasks.failing",
    "tasks.forecast",
    "tasks.housekeeping",
    "tasks.long_running",
    "tasks.mail",
    "tasks.maintenance",
    "tasks.pictures",
    "tasks.polarity",
    "tasks.report",
    "tasks.weather",
)

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
    "task_reject_on_worker_lost": True,  # nor has a process of its pool
    "task_default_queue": DEFAULT_QUEUE,
    "task_routes": (route_by_name,),
    # A message is tried again for about a minute: a broker may take that long to restart.
    "task_publish_retry_policy": {"max_retries": 35, "interval_start": 0, "interval_step": 0.2, "interval_max": 2},
    "worker_prefetch_multiplier": 1,  # a slow task does not hold back those behind it
    "worker_cancel_long_running_tasks_on_connection_loss": False,  # they finish; their effects are idempotent
    # Seconds; on SIGQUIT, what is not done by then goes back to the queue. Some who stop services kill after 5.
    "worker_soft_shutdown_timeout": 2.0,
    "broker_connection_retry_on_startup": True,  # a worker may be started before its broker
    "broker_connection_max_retries": None,  # and outlives every outage of it; by default it gives up after 100 tries
    "result_extended": True,  # a result says which task, arguments and worker it came from
    "result_persistent": True,  # rpc:// results survive a restart of the broker
    "result_expires": 24 * 3600,  # seconds; who has not asked for a result by then will not
    "result_backend_always_retry": True,  # a worker waits for a result store that is away, however long it is
    "beat_scheduler": "app.beat:Scheduler",
    "beat_sync_every": 1,  # a beat that is killed after a slot does not send it again
    "beat_enable_remote_control": True,  # `celery inspect ping` tells a beat that hangs from one that waits
    # As they are by default: Celery looks them up for each task it sends, and finds sooner what is set, which is a
    # tenth of sending.
    "task_always_eager": False,
    "task_send_sent_event": False,
    "task_repr_maxlevels": 3,
    "broker_pool_acquire_timeout": None,
}

# RabbitMQ: replicated queues, and nothing is sent without the broker's confirmation.
AMQP: dict[str, Any] = {
    "task_queues": [task_queue(DEFAULT_QUEUE)],
    "task_default_exchange": EXCHANGE,
    "task_default_exchange_type": "topic",
    "task_default_routing_key": DEFAULT_QUEUE,
    "task_default_queue_type": "quorum",
    "task_routes": (route_over_amqp,),
    "broker_transport_options": {"confirm_publish": True},
    "broker_channel_error_retry": True,  # the broker's consumer time-out does not end the worker
}

# Redis and Valkey as a broker: they count no deliveries, so Celery counts how often a process was lost.
REDIS: dict[str, Any] = {
    # Only RabbitMQ has dead letters to settle.
    "beat_schedule": {name: entry for name, entry in BEAT_SCHEDULE.items() if name != "settle-dead-letters"},
    "task_retry_on_worker_lost": True,
}

# The embedded broker sees who is connected, and hands on what a killed worker had. By default Redis hands on whatever
# has not been acknowledged for an hour, which would run a longer task twice.
EMBEDDED: dict[str, Any] = {
    "broker_transport_options": {"visibility_timeout": 7 * 24 * 3600},
}

# Results in Redis: stored where every worker sees them.
SHARED_RESULTS: dict[str, Any] = {
    "beat_scheduler": "app.beat:SharedScheduler",  # two beats may run, and each slot is sent once
    "worker_deduplicate_successful_tasks": True,  # a task whose result is kept is not run again when redelivered
}


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's configuration for `settings`.

    Raises SettingsError when it names a setting that Celery does not have: Celery itself would ignore it.
    """
    broker_url = settings.broker_url or embedded.url(settings.data_dir)
    result_backend = settings.result_backend or embedded.url(settings.data_dir)
    config = (
        COMMON
        | (AMQP if _scheme(broker_url) in AMQP_SCHEMES else REDIS)
        | (EMBEDDED if settings.broker_url is None else {})
        | (SHARED_RESULTS if _scheme(result_backend) in REDIS_SCHEMES else {})
        | {
            "broker_url": broker_url,
            "result_backend": result_backend,
            "beat_schedule_filename": str(settings.data_dir / "celerybeat-schedule"),
        }
    )
    if unknown := sorted(set(config) - SETTING_KEYS):
        raise SettingsError(f"Celery has no setting named {', '.join(unknown)}; correct it in app/celery.py.")
    return config


def create_app(settings: Settings) -> Celery:
    """A Celery application for `settings`. It connects, or starts the embedded broker, when it is first used."""
    config = configuration(settings)
    over_amqp = _scheme(config["broker_url"]) in AMQP_SCHEMES
    celery_app = (
        RabbitMQApplication("weatherbeat", task_cls="app.task:Task", amqp="app.queues:AMQP")
        if over_amqp
        else Application("weatherbeat", task_cls="app.task:Task")
    )
    celery_app.conf.update(config)
    celery_app.loader.override_backends = dict.fromkeys(("redis", "rediss"), "app.results.backend:ResultBackend")
    if settings.broker_url is None or not settings.result_backend:
        embedded.install(celery_app, settings.data_dir)
    return celery_app


def _scheme(url: str) -> str:
    return urlsplit(url).scheme


def _create_app_or_exit() -> Celery:
    try:
        return create_app(get_settings())
    except SettingsError as error:
        # Celery's command line prints a traceback for any other exception that an app's module raises.
        raise SystemExit(str(error)) from None


app = _create_app_or_exit()
