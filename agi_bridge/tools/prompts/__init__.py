"""`agi-bridge prompts`: what callers of a line hear: listed, rendered, checked, recorded."""
