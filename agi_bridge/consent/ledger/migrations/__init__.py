"""How the tables came to be what they are, one step a file; carried out by alembic.

An empty database is not led through all of this: `schema.create` makes the newest tables, and a
test sees to it that both ways end at the same ones.
"""
