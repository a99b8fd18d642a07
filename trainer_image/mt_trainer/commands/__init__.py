"""The subcommands, a module each: HELP, EXAMPLES, ``configure(parser)`` and ``run(options, …)``."""
