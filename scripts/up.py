"""Run the Procfile until Ctrl-C: honcho, with time for the worker to finish its tasks or to hand them back."""

import sys

import honcho.command
import honcho.manager

# honcho kills 5 s after the first program ended and has no option for it; a worker may take longer to leave.
honcho.manager.KILL_WAIT = 30

if __name__ == "__main__":
    honcho.command.main(["start", *sys.argv[1:]])
