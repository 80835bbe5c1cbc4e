"""Tomorrow's temperature from what is known today: a model that is trained offline, and an honest score."""
