"""Lightning callbacks: they decide when something happens in training; other packages compute it."""
