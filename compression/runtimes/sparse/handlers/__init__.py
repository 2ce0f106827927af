"""How each kind of traced operation is written as operations of a program: one idea a file, see find_handler.py."""
