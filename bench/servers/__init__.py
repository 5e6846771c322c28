"""The servers under measurement: one flow of nine AGI commands, each in its library's manner."""
