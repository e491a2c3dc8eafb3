"""The account's allowance at Circle, kept in Redis for all daemons at once."""
