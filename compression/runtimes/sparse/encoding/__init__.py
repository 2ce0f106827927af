"""From a program to the tables that the compiled kernels walk."""
