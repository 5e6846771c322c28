"""The composition root: builds the services that all calls share, from one configuration."""
