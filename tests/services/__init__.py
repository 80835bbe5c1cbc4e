"""Real servers for the tests, as local processes: one module for each way of knowing that a server is ready."""
