"""Dead letters: the messages that RabbitMQ has given up on, read, settled, sent again or discarded."""
