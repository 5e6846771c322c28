"""`agi-bridge check`: what is wrong with a configuration, before a call finds out."""
