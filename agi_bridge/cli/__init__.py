"""The command line: options, exit codes and output; one module a command."""
