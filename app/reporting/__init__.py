"""The report of a period as a PDF that a person would print: figures, charts and gaps of each place."""
