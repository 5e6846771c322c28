"""A line's prompts: which it needs, where each comes from, their inspection and installation."""
