"""What happens inside one measuring process."""
