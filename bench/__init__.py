"""Calls per CPU second, latency and memory of agi-bridge, measured beside two other libraries.

`python -m bench` runs everything; `bench/README.md` says what is measured and what is not.
"""
