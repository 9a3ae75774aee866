"""The command line: what can be asked, what each command does, what the terminal shows."""
