"""What the demos draw in a terminal, with Rich: pictures that change while something runs, and a summary at the end."""
