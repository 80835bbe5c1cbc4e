"""The weather: what an observation is, where it comes from, and the file that keeps it."""
