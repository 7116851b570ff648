"""What `chappe doctor` looks at: the machine, the installation, the traffic."""
