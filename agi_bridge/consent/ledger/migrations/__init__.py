"""Alembic's environment and the revisions of the schema, one module each.

An empty database does not run these: `schema.create` makes the newest tables. A test checks that
both ways lead to the same tables.
"""
