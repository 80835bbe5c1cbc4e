"""The parts that people play in the experiments: senders and receivers, each a program of its own."""
