"""From files on disk to eyes."""
