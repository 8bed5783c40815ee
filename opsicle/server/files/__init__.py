"""Files that people upload, to be given to automations, and look at."""
