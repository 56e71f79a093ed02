"""What this machine is, and what disturbs it. No framework is imported."""
