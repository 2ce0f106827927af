"""The machine underneath: files, disks, processes, signals, cores and optional packages."""
