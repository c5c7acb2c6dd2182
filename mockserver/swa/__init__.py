"""Static Web Apps: its configuration, what it decides about a request, who is signed in, and as whom one can sign in."""
