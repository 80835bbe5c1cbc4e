"""Experiments with RabbitMQ: real roles in processes of their own, what each message did, and what must be seen."""
