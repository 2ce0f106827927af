"""Access to the operating system: files, disks, processes, signals, CPU cores and optional packages."""
