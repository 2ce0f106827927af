"""How each kind of traced operation is written as operations of a program: one idea a file, found by registry.py."""
