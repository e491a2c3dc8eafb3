"""The only SQL: every read and write of the database, SQLite and PostgreSQL alike.

Readers take a `Connection`, writers a `Transaction`, both from `Database`. Each module is one idea;
`errors` says how the store refuses.
"""
