"""A FastAGI service that obtains, keeps and uses a caller's consent to a text message."""

from importlib.metadata import version

__version__ = version("agi-bridge")
