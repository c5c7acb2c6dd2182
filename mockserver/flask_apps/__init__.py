"""The complete Flask applications: the model endpoint, the site with its sign-in, and the control routes."""
