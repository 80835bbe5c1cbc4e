"""From the raw reply of a weather service to observations; pure, no network and no files."""
