"""How tasks are combined, and how a combination runs."""
