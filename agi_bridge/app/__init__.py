"""The composition root: builds the services that all calls share, from one configuration.

It has no face: a command imports the module that it needs, because each loads much.
"""
