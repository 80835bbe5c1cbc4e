"""The weather services: what to ask of each, how often, and what its statuses mean."""
