"""The web front: start a workflow and watch it run, in a browser or from a program."""
