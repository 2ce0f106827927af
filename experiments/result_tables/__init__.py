"""The tables of results: each file makes those of one record."""
