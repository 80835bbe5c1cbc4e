"""Messages through RabbitMQ, apart from Celery: work queues, an event bus, calls with an answer, and model tasks."""
