"""What happened at the site, the Functions host and the model."""
