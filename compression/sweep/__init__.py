"""Many runs by one command: what they share is made once, what fails is told, and they end in one answer."""
