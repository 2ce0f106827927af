"""Many runs by one command: shared stages are made once, failures are reported, and one report compares all."""
