"""What people do with the files that jobs left behind: look at them, and take them."""
